import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score

from barcodemae.encoders.kmer_frequencies import KmerFrequencies
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.context import Row
from barcodemae.evaluation.scores import find
from barcodemae.evaluation.tasks import bin_clustering


@pytest.mark.slow  # UMAP is compiled anew in each process
def test_headline_and_grid(table, make_context):
    pytest.importorskip("umap")
    table.loc[table.index[table["split"] == "test"][:2], "dna_bin"] = None
    context = make_context(table, umap_grid=(5, 15), umap_seeds=(42,))
    bin_clustering.check(context)
    assert "2 of 176 barcodes" in context.warnings[0]
    row = Row("4-mers", KmerFrequencies(4))
    records = bin_clustering.run(row, context)
    headline = find(
        records, "4-mers", "bin-clustering", "adjusted_mutual_information", headline=True
    )
    bins = context.clustering.labels("dna_bin")
    known = bins != ""
    clusters = bin_clustering.clusters_of(row, context, known, 15, 42)["clusters"]
    assert len(set(clusters)) == headline["settings"]["clusters"] == 32
    assert headline["value"] == pytest.approx(adjusted_mutual_info_score(bins[known], clusters))
    assert headline["value"] > 0.8 and headline["n"] == 174 and headline["seed"] == 42
    cells = {(r["settings"]["umap_neighbours"], r["seed"]) for r in records}
    assert cells == {(0, 42), (5, 42), (15, 42)} and len(records) == 12
    direct = find(records, "4-mers", "bin-clustering", "homogeneity", umap_neighbours=0)
    assert direct["value"] > 0.8 and direct["value"] != headline["value"]


def test_umap_missing_is_said_first(table, make_context, monkeypatch):
    monkeypatch.setattr(bin_clustering.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BarcodeMAEError, match=r"pip install 'barcodemae\[evaluation\]'"):
        bin_clustering.check(make_context(table))


def test_variants_get_the_headline_alone(table, make_context, monkeypatch):
    monkeypatch.setattr(bin_clustering, "cluster", lambda v, *_: np.arange(len(v)) % 7)
    row = Row("3-mers + centre", KmerFrequencies(3), variant=("centre",))
    assert len(bin_clustering.run(row, make_context(table))) == 4


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda t: t.assign(dna_bin=None), {}, "no barcode of 'test,test_unseen' has a BIN"),
        (lambda t: t[::4], {}, "needs more than 51"),
        (lambda t: t, {"umap_neighbours": 500}, "500 neighbours needs more than 500"),
        (lambda t: t, {"clusters": "tribe"}, "--clusters tribe: no such column"),
        (lambda t: t.assign(species=None), {}, "cannot form 0 clusters"),
        (lambda t: t.assign(species=t["processid"]), {}, "cannot form 176 clusters"),
    ],
)
def test_bad_input_is_found_before_any_work(table, make_context, change, settings, message):
    with pytest.raises(BarcodeMAEError, match=message):
        bin_clustering.check(make_context(change(table), **settings))
