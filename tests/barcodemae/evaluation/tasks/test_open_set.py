"""The open-set task on a small library of COI-like barcodes."""

import shutil

import numpy as np
import pandas as pd
import pytest

from barcodemae.data import COLUMNS
from barcodemae.encoders import load_encoder
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.aligners import Aligner
from barcodemae.evaluation.context import Context, Row
from barcodemae.evaluation.settings import Settings
from barcodemae.evaluation.splits import Barcodes
from barcodemae.evaluation.tasks import open_set
from barcodemae.store import Store
from coi import draw, mutated


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """6 genera of 3 species; the third of each is in no reference."""
    rng, rows = np.random.default_rng(3), []
    for g, genus in enumerate(draw(6, seed=11)):
        for s, epithet in enumerate(("unus", "duo", "tertius")):
            species = mutated(rng, genus, 0.1)
            for b in range(6):
                split = "test_unseen" if s == 2 else "test" if b > 3 else "train"
                rows.append(
                    {
                        "processid": f"P{g}{s}{b}",
                        "nucleotides": mutated(rng, species, 0.01),
                        "genus": f"Genus{'abcdef'[g]}",
                        "species": f"Genus{'abcdef'[g]} {epithet}",
                        "family": f"Family{'abcdef'[g]}",
                        "split": split,
                    }
                )
    return pd.DataFrame(rows).reindex(columns=COLUMNS).astype(object)


def _context(table, folder, **settings) -> Context:
    return Context(Barcodes(table), Settings(**settings), Store(folder), progress=False)


def _values(records) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in records}


def test_a_model_tells_known_from_new(table, tmp_path):
    context = _context(table, tmp_path)
    open_set.check(context)
    found = _values(open_set.run(Row("kmer:5", load_encoder("kmer:5")), context))
    assert found["auroc_known"] > 0.95
    assert found["genus_of_new"] == 1
    assert 0 <= found["calibration_error_of_genus"] <= 1


@pytest.mark.skipif(shutil.which("vsearch") is None, reason="vsearch is not installed")
def test_an_aligner_does_by_identity(table, tmp_path):
    row = Row("vsearch", aligner=Aligner("vsearch", threads=1))
    found = _values(open_set.run(row, _context(table, tmp_path)))
    assert found["auroc_known"] > 0.95
    assert found["coverage_of_new_at_95"] == 1
    assert "calibration_error_of_genus" not in found


def test_splits_of_the_wrong_kind_are_refused(table, tmp_path):
    with pytest.raises(BarcodeMAEError, match="all lack"):
        open_set.check(_context(table, tmp_path, seen="test_unseen"))
    with pytest.raises(BarcodeMAEError, match="all have"):
        open_set.check(_context(table, tmp_path, query="test"))
