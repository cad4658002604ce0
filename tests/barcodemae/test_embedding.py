import numpy as np
import pytest
import torch

from barcodemae import BarcodeMAEConfig, BarcodeMAEModel, BarcodeMAETokenizer
from barcodemae.embedding import Embedder
from barcodemae.errors import BarcodeMAEError


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return BarcodeMAEModel(BarcodeMAEConfig.preset("barcodemae-tiny")).eval()


def draw(lengths, letters="ACGT", seed=0):
    generator = np.random.default_rng(seed)
    return ["".join(generator.choice(list(letters), length)) for length in lengths]


def test_embeddings_equal_those_of_plain_transformers_in_the_order_given(model):
    sequences = draw([658, 20, 300, 658, 21, 4, 900], "ACGTN")
    tokenizer = BarcodeMAETokenizer(kmer_size=4)
    expected = [
        model(**tokenizer(s, truncation=True, return_tensors="pt")).pooler_output[0]
        for s in sequences
    ]
    ours = Embedder(model, "cpu").embed(sequences, batch_size=3)
    assert ours.dtype == np.float32 and ours.shape == (7, 128)
    np.testing.assert_allclose(ours, torch.stack(expected).detach(), atol=1e-5)


def test_batch_size_changes_nothing(model):
    sequences = draw(range(8, 60, 3))
    embedder = Embedder(model, "cpu")
    one, many = (embedder.embed(sequences, batch_size=size) for size in (1, 64))
    np.testing.assert_allclose(one, many, atol=1e-5)


def test_an_offset_drops_nucleotides_from_the_front(model):
    sequences = draw([100, 57])
    embedder = Embedder(model, "cpu")
    shifted = embedder.embed([sequence[3:] for sequence in sequences])
    np.testing.assert_allclose(embedder.embed(sequences, offset=3), shifted, atol=1e-6)


def test_barcodes_without_a_kmer_are_zeros_and_none_is_nothing(model):
    embedder = Embedder(model, "cpu")
    embeddings = embedder.embed(["ACGTACGT", "ACG", "", "NNNNNNNN"])
    assert embeddings[0].any() and not embeddings[1:].any()
    assert embedder.embed([]).shape == (0, 128)


def test_it_loads_what_pretraining_wrote_and_says_what_it_cannot_load(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    embedder = Embedder.from_pretrained(tmp_path / "model", device="cpu")
    assert (embedder.dim, embedder.kmer_size) == (128, 4)
    with pytest.raises(BarcodeMAEError, match="not a checkpoint directory"):
        Embedder.from_pretrained(tmp_path)
    with pytest.raises(BarcodeMAEError, match="nowhere"):
        Embedder.from_pretrained(tmp_path / "nowhere")
