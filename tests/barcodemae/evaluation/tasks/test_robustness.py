import pytest

from barcodemae.encoders import load_encoder
from barcodemae.encoders.kmer_frequencies import KmerFrequencies
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.context import Row
from barcodemae.evaluation.tasks import genus_probe, robustness


def test_accuracy_falls_from_the_plain_probe(table, make_context):
    context = make_context(table, shares=(0.0, 0.5, 0.98))
    row = Row("5-mers", KmerFrequencies(5))
    records = robustness.run(row, context)
    lines = {}
    for record in records:
        lines.setdefault(record["settings"]["scope"], []).append(record["value"])
    plain = genus_probe.run(row, context)[0]["value"]
    assert set(lines) == {"query", "both"}
    for values in lines.values():
        assert values[0] == plain and values[0] > values[2]


def test_every_kind_that_the_encoder_knows(table, make_context):
    context = make_context(table, shares=(0.5,))
    row = Row("untrained", load_encoder("untrained:barcodemae-tiny", "cpu"))
    records = robustness.run(row, context)
    kinds = [(r["settings"]["kind"], r["settings"]["scope"]) for r in records]
    assert kinds == [("drop", "query"), ("drop", "both"), ("mask", "query"), ("mask", "both")]
    assert all(0 <= record["value"] <= 1 for record in records)


def test_shares_are_checked(table, make_context):
    with pytest.raises(BarcodeMAEError, match=r"--shares 1\.0"):
        robustness.check(make_context(table, shares=(1.0,)))
