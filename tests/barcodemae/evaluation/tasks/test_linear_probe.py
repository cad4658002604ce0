import pytest

from barcodemae.encoders.kmer_frequencies import KmerFrequencies
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.context import Row
from barcodemae.evaluation.scores import find
from barcodemae.evaluation.tasks import linear_probe


@pytest.mark.parametrize("k", [3, 7])
def test_species_are_learned_from_frozen_embeddings(table, make_context, k):
    context = make_context(table, probe_epochs=60)
    linear_probe.check(context)
    records = linear_probe.run(Row("k-mers", KmerFrequencies(k)), context)
    accuracy = find(records, "k-mers", "linear-probe", "accuracy")
    assert accuracy["value"] > 0.9 and accuracy["n"] == 48
    assert accuracy["settings"]["query"] == "test" and accuracy["settings"]["epochs"] == 60


def test_species_never_learned_are_refused_or_counted(table, make_context):
    with pytest.raises(BarcodeMAEError, match="no species of the split 'test_unseen'"):
        linear_probe.check(make_context(table, seen="test_unseen"))
    context = make_context(table, seen="test,test_unseen")
    linear_probe.check(context)
    assert "128 barcodes of test,test_unseen" in context.warnings[0]
    with pytest.raises(BarcodeMAEError, match="at least two species"):
        linear_probe.check(make_context(table.assign(species="one")))
