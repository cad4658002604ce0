import numpy as np
import pytest
import torch

from barcodemae import BarcodeMAEModel
from barcodemae.encoders.embedder import Embedder
from barcodemae.identification.lineages import IGNORED, Lineages
from barcodemae.presets import preset_config
from train.finetuning.labels import LabelledBarcodes
from train.finetuning.probe import cached_embeddings, fit_probe


@pytest.fixture(scope="module")
def embedder():
    torch.manual_seed(0)
    config = preset_config(
        "barcodemae-tiny", num_hidden_layers=1, hidden_size=32, intermediate_size=32, kmer_size=2
    )
    return Embedder(BarcodeMAEModel(config), "cpu")


def two_kinds(count, taxa=2):
    """Barcodes that are rich in another nucleotide for each taxon."""
    draw = np.random.default_rng(0)
    labels = np.arange(count) % taxa
    texts = [
        "".join(draw.choice(list("ACGT"), 60, p=np.where(np.arange(4) == taxon, 0.7, 0.1)))
        for taxon in labels
    ]
    return texts, labels[:, None]


def probe(kind, embedder, texts, labels, cache):
    barcodes = LabelledBarcodes(texts, labels)
    lineages = Lineages.from_columns({"species": list("abc")[: labels.max() + 1]})
    return fit_probe(kind, embedder, lineages, barcodes, barcodes, cache)


@pytest.mark.parametrize("kind", ["sgd", "logistic_regression"])
@pytest.mark.parametrize("taxa", [2, 3])
def test_head_stands_on_the_embeddings_as_they_are(kind, taxa, embedder, tmp_path):
    texts, labels = two_kinds(60, taxa)
    labels = labels.copy()
    labels[0] = IGNORED
    head, _ = probe(kind, embedder, texts, labels, tmp_path)
    assert head.weight.shape == (taxa, 32)
    with torch.no_grad():
        logits = head(torch.from_numpy(embedder.embed(texts)))
    assert (logits.argmax(dim=1).numpy() == labels[:, 0])[1:].all()


def test_logistic_regression_is_scikit_learns(embedder, tmp_path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    for taxa in (2, 3):
        texts, labels = two_kinds(60, taxa)
        embeddings = embedder.embed(texts)
        theirs = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        theirs.fit(embeddings, labels[:, 0])
        head, history = probe("logistic_regression", embedder, texts, labels, tmp_path)
        assert history == []
        with torch.no_grad():
            found = head(torch.from_numpy(embeddings)).softmax(dim=1)
        np.testing.assert_allclose(found.numpy(), theirs.predict_proba(embeddings), atol=1e-3)


def test_history_of_the_descent_ends_with_the_head(embedder, tmp_path):
    texts, labels = two_kinds(60)
    head, history = probe("sgd", embedder, texts, labels, tmp_path)
    assert [entry["epoch"] for entry in history] == list(range(1, 201))
    assert history[-1]["loss"] < history[0]["loss"]
    with torch.no_grad():
        named = head(torch.from_numpy(embedder.embed(texts))).argmax(dim=1).numpy()
    assert history[-1]["eval_accuracy_species"] == (named == labels[:, 0]).mean()


def test_embeddings_are_computed_once(embedder, tmp_path, monkeypatch):
    texts, _ = two_kinds(4)
    first = cached_embeddings(embedder, texts, tmp_path)
    np.testing.assert_array_equal(first, embedder.embed(texts))
    with monkeypatch.context() as patch:
        patch.setattr(embedder, "embed", lambda *_, **__: pytest.fail("embedded again"))
        np.testing.assert_array_equal(cached_embeddings(embedder, texts, tmp_path), first)
    other = Embedder(BarcodeMAEModel(embedder.model.config), "cpu")
    assert not np.array_equal(cached_embeddings(other, texts, tmp_path), first)
