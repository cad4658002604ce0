import numpy as np
import pytest

from barcodemae.encoders.kmer_frequencies import KmerFrequencies
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.context import Row
from barcodemae.evaluation.scores import find
from barcodemae.evaluation.tasks import t_sne


def test_the_same_small_genera_for_every_model(table, make_context):
    # 8 genera of 16 queries; one is too large to be drawn.
    table.loc[table["genus"] == "Genus1", "genus"] = "Genus0"
    context = make_context(table, tsne_genera=3, tsne_smaller_than=20)
    t_sne.check(context)
    for k in (2, 4):
        records = t_sne.run(Row(f"{k}-mers", KmerFrequencies(k)), context)
        assert -1 <= find(records, f"{k}-mers", "t-sne", "silhouette")["value"] <= 1
    first, other = context.points.values()
    assert first["genera"] == other["genera"] and len(set(first["genera"])) == 3
    assert "Genus0" not in first["genera"]
    assert np.isfinite(first["xy"]).all() and np.shape(first["xy"]) == (48, 2)


def test_other_seeds_draw_other_genera(table, make_context):
    drawn = {tuple(t_sne.drawn(make_context(table, tsne_genera=3, seed=seed))) for seed in range(5)}
    assert len(drawn) > 1


def test_too_few_small_genera(table, make_context):
    with pytest.raises(BarcodeMAEError, match="genera of 3 to 9 barcodes"):
        t_sne.check(make_context(table, tsne_smaller_than=10))
    context = make_context(table)
    t_sne.check(context)
    assert "8 genera are small enough, not 20" in context.warnings[0]
