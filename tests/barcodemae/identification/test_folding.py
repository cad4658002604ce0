"""The last map of a model is joined with what labelled barcodes tell of its sites."""

import csv

import numpy as np
import pytest
import torch

from barcodemae import BarcodeMAEModel
from barcodemae.data.grid import coi_grid
from barcodemae.encoders.embedder import Embedder
from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.export import export
from barcodemae.identification.folding import joined_map
from barcodemae.presets import preset_config
from grid_barcodemae import Grid
from tokenization_barcodemae import BarcodeMAETokenizer

PLACES = slice(100, 220)
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "site_size": 6}


def save(directory, **fields):
    torch.manual_seed(0)
    model = BarcodeMAEModel(preset_config("barcodemae-coi-small", **{**SIZES, **fields}))
    model.save_pretrained(directory)
    grid = Grid(coi_grid().profile[:, PLACES])
    BarcodeMAETokenizer(kmer_size=6, grid=grid).save_pretrained(directory)
    (directory / "training.json").write_text("{}")
    return directory


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    places = {"max_position_embeddings": 20, "embedding_size": 8}
    return save(tmp_path_factory.mktemp("run") / "last", **places)


@pytest.fixture(scope="module")
def barcodes():
    """(genus, nucleotides) of 12 genera: few places tell them apart, many more their species."""
    generator = np.random.default_rng(1)
    root = coi_grid().profile[:, PLACES].argmax(axis=0)
    rows = []
    for genus in range(12):
        ancestor = root.copy()
        ancestor[30:36] = generator.integers(0, 4, 6)
        for _ in range(10):
            codes = ancestor.copy()
            changed = generator.choice(np.r_[:30, 36:120], 12, replace=False)
            codes[changed] = generator.integers(0, 4, 12)
            rows.append((f"G{genus}", "".join("ACGT"[code] for code in codes)))
    return rows


def write(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("genus", "nucleotides"), *rows])
    return path


def share_right(directory, reference, queries):
    embedder = Embedder.from_pretrained(directory, "cpu")
    ours, theirs = (embedder.embed([text for _, text in rows]) for rows in (queries, reference))
    ours, theirs = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (ours, theirs))
    nearest = (ours @ theirs.T).argmax(axis=1)
    return np.mean([reference[at][0] == rows[0] for at, rows in zip(nearest, queries, strict=True)])


def test_a_model_that_learned_from_labels_names_more_genera(model, barcodes, tmp_path):
    labelled = [row for number, row in enumerate(barcodes) if number % 10 < 7]
    queries = [row for number, row in enumerate(barcodes) if number % 10 >= 7]
    file = write(tmp_path / "labelled.csv", [*labelled, ("", queries[0][1])])
    joined = export(model, tmp_path / "joined", last_map=joined_map(model, file, weight=2.0))
    assert share_right(joined, labelled, queries) > share_right(model, labelled, queries) + 0.1


def test_without_weight_the_map_is_centred_and_turned_alone(model, barcodes, tmp_path):
    file = write(tmp_path / "labelled.csv", barcodes)
    texts = [text for _, text in barcodes]
    before = Embedder.from_pretrained(model, "cpu").embed(texts)
    joined = export(model, tmp_path / "joined", last_map=joined_map(model, file, weight=0.0))
    after = Embedder.from_pretrained(joined, "cpu").embed(texts)
    before -= before.mean(axis=0)
    assert abs(after.mean(axis=0)).max() < 1e-4
    products = before @ before.T, after @ after.T
    scale = np.trace(products[0]) / np.trace(products[1])
    np.testing.assert_allclose(products[1] * scale, products[0], atol=1e-3 * products[0].max())


def test_what_cannot_be_joined_is_said(model, barcodes, tmp_path):
    mean = save(tmp_path / "mean", pooling="mean", embedding_size=None, site_size=None)
    with pytest.raises(BarcodeMAEError, match="--fold-metric is for models that pool by site"):
        joined_map(mean, write(tmp_path / "labelled.csv", barcodes))
    nameless = write(tmp_path / "none.csv", [("", text) for _, text in barcodes])
    with pytest.raises(BarcodeMAEError, match="no barcode has a genus"):
        joined_map(model, nameless)
    alone = write(tmp_path / "alone.csv", [(f"G{n}", t) for n, (_, t) in enumerate(barcodes)])
    with pytest.raises(BarcodeMAEError, match="at least two barcodes"):
        joined_map(model, alone)
