"""An encoder that pools by site: the same record, the same embedding, on every way to it."""

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from barcodemae import (
    BarcodeMAEForSequenceClassification,
    BarcodeMAEModel,
    BarcodeMAETokenizer,
)
from barcodemae.data import read_barcodes
from barcodemae.data.grid import coi_grid
from barcodemae.embedding.precision import at_precision
from barcodemae.embedding.vector_files import write_embeddings
from barcodemae.encoders.embedder import Embedder
from barcodemae.encoders.pretrained import BarcodeMAEEncoder, hash_embedder, hash_weights
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.classification import Classifier
from barcodemae.presets import preset_config
from coi import draw, noise, turned
from grid_barcodemae import Grid


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    torch.manual_seed(0)
    config = preset_config("barcodemae-coi-small", num_hidden_layers=1)
    folder = tmp_path_factory.mktemp("model")
    BarcodeMAEModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def embedder(saved):
    return Embedder.from_pretrained(saved, "cpu")


def test_records_of_one_barcode_have_one_embedding_on_every_way(saved, embedder):
    barcode = draw(1)[0]
    records = [barcode, turned(barcode), noise(40) + barcode, barcode[:600] + "NN-", barcode[:600]]
    embeddings = embedder.embed(records, batch_size=2)
    assert embeddings.shape == (5, 384) and embedder.dim == 384
    np.testing.assert_allclose(embeddings[1:3], embeddings[[0, 0]], atol=1e-5)
    np.testing.assert_allclose(embeddings[3], embeddings[4], atol=1e-5)
    assert not np.allclose(embeddings[3], embeddings[0], atol=1e-3)
    batch = AutoTokenizer.from_pretrained(saved)(records, padding=True, return_tensors="pt")
    with torch.inference_mode():
        pooled = AutoModel.from_pretrained(saved).eval()(**batch).pooler_output
    np.testing.assert_allclose(pooled.numpy(), embeddings, atol=1e-4)
    assert at_precision(embedder, "fp32").grid is embedder.grid


def test_eight_bits_give_nearly_the_same_alone_and_among_others(embedder):
    barcodes = [*draw(4), draw(1)[0][200:500]]
    eight = at_precision(embedder, "int8")
    exact, near = embedder.embed(barcodes), eight.embed(barcodes)
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(near, axis=1)
    cosines = (exact * near).sum(axis=1) / lengths
    assert cosines.min() > 0.98
    alone = eight.embed(barcodes[-1:])
    np.testing.assert_array_equal(alone[0], near[-1])


def test_what_fits_nowhere_has_no_embedding_and_is_named(embedder, tmp_path, caplog):
    barcode = draw(1)[0]
    assert embedder.embed([noise(600), barcode, ""]).any(axis=1).tolist() == [False, True, False]
    (tmp_path / "b.fasta").write_text(f">good\n{barcode}\n>odd\n{noise(600)}\n")
    barcodes = read_barcodes(tmp_path / "b.fasta", prepare=False, cache_dir=tmp_path)
    with pytest.raises(BarcodeMAEError, match="b.fasta: record odd: fits nowhere on the model"):
        write_embeddings(tmp_path / "e.csv", embedder, barcodes, sources="b.fasta")
    write_embeddings(tmp_path / "e.csv", embedder, barcodes)
    assert "left out 1 record: odd: fits nowhere on the model's grid" in caplog.text


def test_reverse_complements_are_turned_and_told(embedder, tmp_path, caplog):
    barcode = draw(1)[0]
    (tmp_path / "b.fasta").write_text(f">good\n{barcode}\n>back\n{turned(barcode)}\n")
    barcodes = read_barcodes(tmp_path / "b.fasta", prepare=False, cache_dir=tmp_path)
    for _ in range(2):
        caplog.clear()
        write_embeddings(tmp_path / "e.csv", embedder, barcodes)
        assert "turned 1 record: reverse complements" in caplog.text
    first, second = (tmp_path / "e.csv").read_text().splitlines()[1:]
    assert first.removeprefix("good") == second.removeprefix("back")


def test_an_encoder_on_a_grid_has_one_frame_and_its_own_fingerprint(embedder):
    encoder = BarcodeMAEEncoder(embedder, 8, "model")
    assert encoder.num_offsets == 1
    assert encoder.settings["dimensions"] == 384 and encoder.settings["pooling"] == "by site"
    other = Embedder(embedder.model, "cpu", grid=Grid(coi_grid().profile + 1))
    assert BarcodeMAEEncoder(other, 8, "model").fingerprint != encoder.fingerprint


def test_what_is_kept_under_weights_follows_the_grid_beside_them(embedder):
    usual = hash_embedder(embedder)
    assert usual == hash_weights(embedder.model)
    other = Grid(coi_grid().profile[:, ::-1].copy())
    assert hash_embedder(Embedder(embedder.model, "cpu", grid=other)) != usual


def test_a_model_without_its_grid_is_refused(saved, embedder, tmp_path):
    embedder.model.save_pretrained(tmp_path)
    (tmp_path / "grid.safetensors").unlink()
    with pytest.raises(BarcodeMAEError, match="needs a grid of 658 places, and there is none"):
        Embedder.from_pretrained(tmp_path, "cpu")
    BarcodeMAETokenizer(kmer_size=6).save_pretrained(tmp_path)
    with pytest.raises(BarcodeMAEError, match="on a grid, and its tokenizer has none"):
        Embedder.from_pretrained(tmp_path, "cpu")
    BarcodeMAETokenizer(kmer_size=4, grid=coi_grid()).save_pretrained(tmp_path)
    with pytest.raises(BarcodeMAEError, match="reads 6-mers, its tokenizer cuts 4-mers"):
        Embedder.from_pretrained(tmp_path, "cpu")
    with pytest.raises(BarcodeMAEError, match="109 places, and its grid of 300 .* has 50 6-mers"):
        Embedder(embedder.model, "cpu", grid=Grid(np.zeros((4, 300))))


def test_without_a_grid_at_hand_a_model_is_saved_without_a_tokenizer(
    embedder, tmp_path, monkeypatch
):
    monkeypatch.setattr(BarcodeMAETokenizer, "usual_grid", staticmethod(lambda: None))
    BarcodeMAEModel(preset_config("barcodemae-coi-small")).save_pretrained(tmp_path)
    assert not (tmp_path / "tokenizer.json").exists()


def test_a_grid_of_its_own_stays_with_a_model_through_loading_training_and_saving(saved, tmp_path):
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    grid = Grid(coi_grid().profile[:, ::-1].copy())
    BarcodeMAETokenizer(kmer_size=6, grid=grid).save_pretrained(first)
    BarcodeMAEModel.from_pretrained(saved).save_pretrained(first)  # what lies there stays
    model = BarcodeMAEForSequenceClassification.from_pretrained(first)  # as a Trainer does
    model.save_pretrained(second)
    AutoModel.from_pretrained(second).save_pretrained(third)
    for place in (first, second, third):
        found = Embedder.from_pretrained(place, "cpu").grid
        np.testing.assert_array_equal(found.profile, grid.profile)
    np.testing.assert_array_equal(Classifier(model, "cpu").embedder.grid.profile, grid.profile)
    (first / "grid.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"grid\.safetensors"):
        model.save_pretrained(tmp_path / "fourth")
