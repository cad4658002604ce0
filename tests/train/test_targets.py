import pickle

import datasets
import numpy as np
import pytest
import torch

from barcodemae import BarcodeMAEConfig, BarcodeMAEModel, BarcodeMAETokenizer
from barcodemae.encoders.embedder import Embedder
from barcodemae.encoders.kmer_frequencies import KmerFrequencies
from barcodemae.encoders.pretrained import BarcodeMAEEncoder
from barcodemae.errors import BarcodeMAEError
from train.targets import teacher_targets
from train.taught import TaughtDraws, TeachingCollator, is_taught

TRAINING = np.arange(0, 60, 2)


@pytest.fixture(scope="module")
def barcodes():
    letters = np.random.default_rng(0).choice(list("ACGT"), (60, 90))
    return datasets.Dataset.from_dict({"nucleotides": list(map("".join, letters))})


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "kmer_size": 2}
    model = BarcodeMAEModel(BarcodeMAEConfig.preset("barcodemae-tiny", **sizes))
    return BarcodeMAEEncoder(Embedder(model, "cpu"), 64, "a model")


def targets(teacher, barcodes, cache, width=16, whiten=False, training=TRAINING):
    return teacher_targets(
        "T", teacher, barcodes, training, width, whiten, 0, cache, progress=False
    )


def centred_on_training(embeddings):
    return embeddings - embeddings[TRAINING].mean(axis=0)


def test_of_all_components_the_geometry_is_that_of_centred_embeddings(trained, barcodes, tmp_path):
    found = targets(trained, barcodes, tmp_path)
    expected = centred_on_training(trained.embed(barcodes["nucleotides"][:]))
    assert found.shape == (60, 16) and found.dtype == np.float32
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-5)


def test_sparse_frequencies_are_reduced_on_rows_of_length_1(barcodes, tmp_path):
    teacher = KmerFrequencies(7)
    found = targets(teacher, barcodes, tmp_path, width=30)[TRAINING]
    rows = teacher.embed(barcodes["nucleotides"][:])[TRAINING].toarray()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    expected = rows - rows.mean(axis=0)  # as many barcodes as components: nothing is lost
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-5)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-6)


@pytest.mark.parametrize("teacher", ["trained", KmerFrequencies(3), KmerFrequencies(7)])
def test_whitened_components_have_unit_variance_on_the_training_barcodes(
    teacher, trained, barcodes, tmp_path
):
    teacher = trained if teacher == "trained" else teacher
    found = targets(teacher, barcodes, tmp_path, width=12, whiten=True)[TRAINING]
    np.testing.assert_allclose(np.cov(found.T), np.eye(12), atol=0.01)


def test_rounding_errors_are_not_blown_up(barcodes, tmp_path):
    class Flat(KmerFrequencies):
        def embed(self, *arguments, **keywords):
            whole = super().embed(*arguments, **keywords)
            noise = 1e-9 * np.random.default_rng(0).standard_normal(whole.shape)
            return (whole @ np.eye(16)[:, :3] @ np.eye(16)[:3] + noise).astype(np.float32)

    found = targets(Flat(2), barcodes, tmp_path, width=8, whiten=True)
    np.testing.assert_allclose(found[TRAINING].std(axis=0, ddof=1)[:3], 1, atol=0.01)
    assert np.abs(found[:, 3:]).max() < 0.01


def test_held_out_barcodes_do_not_shape_the_targets(trained, barcodes, tmp_path):
    other = barcodes["nucleotides"][:]
    other[1::2] = ["ACGT" * 20] * 30
    found = targets(trained, barcodes, tmp_path)
    with_others = targets(
        trained, datasets.Dataset.from_dict({"nucleotides": other}), tmp_path / "other"
    )
    np.testing.assert_allclose(with_others[TRAINING], found[TRAINING], atol=1e-6)


def test_a_teacher_embeds_once(barcodes, tmp_path, monkeypatch):
    teacher = KmerFrequencies(4)
    first = targets(teacher, barcodes, tmp_path)
    counted = []
    embed = teacher.embed
    monkeypatch.setattr(teacher, "embed", lambda *a: counted.append(len(a[0])) or embed(*a))
    np.testing.assert_array_equal(targets(teacher, barcodes, tmp_path), first)
    # Other targets stand on the same embeddings; a barcode tells their dimensions.
    assert targets(teacher, barcodes, tmp_path, width=8).shape == (60, 8)
    assert max(counted) == 1


@pytest.mark.parametrize(
    ("teacher", "width", "said"),
    [
        (KmerFrequencies(2), 17, "the teacher T gives 16 dimensions, from which no 17 principal"),
        (KmerFrequencies(6), 31, "there are 30 training barcodes, from which no 31 principal"),
    ],
)
def test_a_student_that_is_too_wide(teacher, width, said, barcodes, tmp_path):
    with pytest.raises(BarcodeMAEError, match=said):
        targets(teacher, barcodes, tmp_path, width=width)


def test_each_draw_brings_the_target_of_its_barcode(barcodes):
    of_row = np.arange(60, dtype=np.float32)[:, None]
    draws = TaughtDraws(barcodes, TRAINING, 3, of_row)
    for draw in (0, 7, 29, 30, 100):
        number, nucleotides, target = draws[draw]
        assert number == draw and nucleotides == barcodes[int(target[0])]["nucleotides"]
    assert pickle.loads(pickle.dumps(draws))[100][2] == draws[100][2]


def test_a_barcode_is_read_from_another_frame_at_each_draw():
    nucleotides, target = "ACGGTTACCATG" * 5, np.ones(2, dtype=np.float32)
    tokenizer = BarcodeMAETokenizer(3)
    frames = [tokenizer(nucleotides[offset:])["input_ids"] for offset in range(3)]
    collate = TeachingCollator(3, seed=1, random_offset=True)
    met = set()
    for draw in range(20):
        ids = collate([(draw, nucleotides, target)])["input_ids"][0].tolist()
        assert torch.equal(collate([(draw, nucleotides, target)])["input_ids"], torch.tensor([ids]))
        met.add(frames.index(ids))
    assert met == {0, 1, 2}
    assert TeachingCollator(3)([(5, nucleotides, target)])["input_ids"][0].tolist() == frames[0]


def test_padding_and_fillers_are_marked():
    target = np.ones(2, dtype=np.float32)
    items = [(0, "ACGTACGT", target), (1, "ACGT", target), (2, "ACGTACGT", target)]
    batch = TeachingCollator(2, end=2)(items)
    assert batch["attention_mask"].tolist() == [[1] * 4, [1, 1, 0, 0], [1] * 4]
    assert is_taught(batch["targets"]).tolist() == [True, True, False]
    assert target.all()  # the targets themselves are left alone
    assert "attention_mask" not in TeachingCollator(2)(items[::2])
