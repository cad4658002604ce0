import numpy as np
import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.context import Row
from barcodemae.evaluation.encoders.kmers import KmerFrequencies
from barcodemae.evaluation.records import find
from barcodemae.evaluation.tasks import linear_probe


@pytest.mark.parametrize("k", [3, 7])
def test_species_are_learned_from_frozen_embeddings(table, make_context, k):
    context = make_context(table, probe_epochs=60)
    linear_probe.check(context)
    records = linear_probe.run(Row("k-mers", KmerFrequencies(k)), context)
    accuracy = find(records, "k-mers", "linear-probe", "accuracy")
    assert accuracy["value"] > 0.9 and accuracy["n"] == 48
    assert accuracy["settings"]["query"] == "test" and accuracy["settings"]["epochs"] == 60


def test_the_fit_follows_the_seed():
    generator = np.random.default_rng(0)
    train, codes = generator.normal(size=(60, 5)).astype("f4"), generator.integers(0, 4, 60)
    test = generator.normal(size=(40, 5)).astype("f4")
    first, again, other = (
        linear_probe.fit_and_name(train, codes, test, epochs=2, seed=seed) for seed in (0, 0, 1)
    )
    assert (first == again).all() and (first != other).any()


def test_species_never_learned_are_refused_or_counted(table, make_context):
    with pytest.raises(BarcodeMAEError, match="no species of the split 'test_unseen'"):
        linear_probe.check(make_context(table, seen="test_unseen"))
    context = make_context(table, seen="test,test_unseen")
    linear_probe.check(context)
    assert "128 barcodes of test,test_unseen" in context.warnings[0]
    with pytest.raises(BarcodeMAEError, match="at least two species"):
        linear_probe.check(make_context(table.assign(species="one")))
