import numpy as np
import pytest
import torch

from barcodemae import BarcodeMAEModel
from barcodemae.data import simulate_barcodes
from barcodemae.embedding.precision import at_precision
from barcodemae.encoders.embedder import Embedder
from barcodemae.encoders.pretrained import hash_weights
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.neighbours import neighbour_agreement
from barcodemae.presets import preset_config
from tokenization_barcodemae import BarcodeMAETokenizer


@pytest.fixture(scope="module")
def embedder():
    torch.manual_seed(0)
    return Embedder(BarcodeMAEModel(preset_config("barcodemae-tiny")), "cpu")


@pytest.fixture(scope="module")
def int8(embedder):
    """Made once: it writes a graph and quantizes it."""
    return at_precision(embedder, "int8")


@pytest.fixture(scope="module")
def barcodes():
    """80 barcodes of many lengths, some with N."""
    table = simulate_barcodes(1, barcodes=80, species=20, genera=20, truncated=0.7, ambiguous=0.3)
    return table["dna_barcode"].tolist()


@torch.inference_mode()
def one_by_one(embedder, barcodes):
    tokenizer = BarcodeMAETokenizer(kmer_size=embedder.kmer_size)
    outputs = [embedder.model(**tokenizer(b, return_tensors="pt")) for b in barcodes]
    return torch.cat([output.pooler_output for output in outputs]).numpy()


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_batches_give_what_single_barcodes_give(embedder, barcodes, batch_size):
    assert len({len(barcode) // 4 for barcode in barcodes}) > 10
    np.testing.assert_allclose(
        embedder.embed(barcodes, batch_size), one_by_one(embedder, barcodes), atol=1e-5
    )


def test_threads_that_take_a_batch_each_give_what_one_thread_gives(embedder, barcodes):
    expected, before = embedder.embed(barcodes, batch_size=8), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = embedder.embed(barcodes, batch_size=8)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_an_offset_drops_nucleotides_from_the_front(embedder, barcodes):
    np.testing.assert_allclose(
        embedder.embed(barcodes, offset=3), embedder.embed([b[3:] for b in barcodes]), atol=1e-6
    )


@torch.inference_mode()
def test_cls_can_take_the_place_of_the_mean(barcodes):
    config = preset_config("barcodemae-tiny", cls_token=True)
    mean = Embedder(BarcodeMAEModel(config), "cpu")
    cls = Embedder(mean.model, "cpu", pooling="cls")
    tokenizer = BarcodeMAETokenizer(kmer_size=4)
    for row, embedding in enumerate(cls.embed(barcodes[:5])):
        expected = mean.model(**tokenizer(barcodes[row], return_tensors="pt")).cls_state[0]
        np.testing.assert_allclose(embedding, expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(mean.embed(barcodes), one_by_one(mean, barcodes), atol=1e-5)
    assert not cls.embed(["NNNNNNNN", "ACG"]).any()
    assert at_precision(cls, "fp32").pooling == "cls"


def test_a_model_without_cls_cannot_be_pooled_by_it(embedder):
    with pytest.raises(BarcodeMAEError, match=r"no \[CLS\].*pool by the mean"):
        Embedder(embedder.model, "cpu", pooling="cls")


def test_a_barcode_without_a_kmer_gets_zeros_and_disturbs_no_other(embedder, barcodes):
    mixed = [barcodes[0], "ACG", barcodes[1], "NNNNNNNN", ""]
    embeddings = embedder.embed(mixed, batch_size=2)
    assert not embeddings[[1, 3, 4]].any()
    np.testing.assert_allclose(embeddings[[0, 2]], embedder.embed(barcodes[:2]), atol=1e-5)
    assert embedder.embed([]).shape == (0, 128)


@pytest.mark.parametrize("end", ["N", "nnnnn", "N" * 208, "--", "N-."])
def test_what_is_unknown_at_the_end_is_no_part_of_a_barcode(embedder, barcodes, end):
    ended = [barcode + end for barcode in barcodes[:4]]
    np.testing.assert_allclose(embedder.embed(ended), embedder.embed(barcodes[:4]), atol=1e-6)


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_by_name(embedder, name):
    with pytest.raises(BarcodeMAEError, match=f"device '{name}' cannot be used here"):
        Embedder(embedder.model, name)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_fewer_bits_give_nearly_the_same_embeddings(embedder, int8, barcodes, precision):
    other = int8 if precision == "int8" else at_precision(embedder, precision)
    assert hash_weights(other.model) != hash_weights(embedder.model)
    full, reduced = embedder.embed(barcodes), other.embed(barcodes)
    cosine = (
        (full * reduced).sum(1) / np.linalg.norm(full, axis=1) / np.linalg.norm(reduced, axis=1)
    )
    assert cosine.min() > 0.999
    assert not np.array_equal(full, reduced)


def test_int8_gives_a_barcode_one_vector_whatever_its_batch(int8, barcodes):
    together = int8.embed(barcodes)
    alone = np.concatenate([int8.embed([barcode]) for barcode in barcodes])
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_int8_stores_its_matrices_in_int8_and_knows_no_frames(embedder, int8, barcodes):
    size = sum(p.numel() for p in embedder.model.parameters())
    assert int8.model.graph.numel() < 3 * size  # fp32 takes 4 bytes a number
    with pytest.raises(BarcodeMAEError, match="int8 knows no frames"):
        int8.embed(barcodes, starts=np.zeros(len(barcodes), dtype=int))


def test_the_agreement_of_neighbours_is_1_for_equals_and_small_for_strangers(embedder, barcodes):
    exact = embedder.embed(barcodes)
    assert neighbour_agreement(exact, exact) == 1
    torch.manual_seed(1)
    config = preset_config("barcodemae-tiny", initializer_range=1.0)
    stranger = Embedder(BarcodeMAEModel(config), "cpu")
    assert neighbour_agreement(exact, stranger.embed(barcodes)) < 1


def test_an_unknown_precision_is_refused_by_name(embedder):
    with pytest.raises(BarcodeMAEError, match="'int4': must be one of fp32, bf16, int8"):
        at_precision(embedder, "int4")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(BarcodeMAEError, match="not a checkpoint directory"):
        Embedder.from_pretrained(tmp_path)
