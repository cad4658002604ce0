"""Which rows an evaluation has, and how they are called."""

import pytest

from barcodemae.evaluation.evaluator import Request, load_rows, split_label
from barcodemae.evaluation.settings import Settings
from barcodemae.identification.transforms import parse_variants


def test_a_path_that_exists_bears_no_label(tmp_path, monkeypatch):
    (tmp_path / "runs" / "lr=1e-3" / "best").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert split_label("runs/lr=1e-3/best") == ("runs/lr=1e-3/best", "runs/lr=1e-3/best")
    assert split_label("ours=runs/lr=1e-3/best") == ("ours", "runs/lr=1e-3/best")
    assert split_label("ours=runs/lr=1e-4/best") == ("ours", "runs/lr=1e-4/best")


@pytest.mark.parametrize(
    ("variants", "rows", "reason"),
    [
        ("whiten", ["kmer:3", "kmer:3 + whiten"], None),
        ("aligned+whiten", ["kmer:3"], "knows no frames"),
        ("offsets", ["kmer:3"], "frames make no difference"),
    ],
)
def test_a_row_that_cannot_be_is_told_with_the_reason(variants, rows, reason, tmp_path):
    how = {"settings": Settings(), "data": [], "prepare": True, "cache": tmp_path, "device": "cpu"}
    found, skipped = load_rows(Request(["kmer:3"], parse_variants(variants), [], **how))
    assert [row.model for row in found] == rows
    if reason is None:
        assert not skipped
    else:
        assert skipped[0]["model"] == "kmer:3 + " + variants.replace("+", " + ")
        assert reason in skipped[0]["reason"]
