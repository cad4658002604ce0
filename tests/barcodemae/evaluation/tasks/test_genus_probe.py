import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from barcodemae.encoders.kmer_frequencies import KmerFrequencies
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation import evaluator
from barcodemae.evaluation.aligners import Named
from barcodemae.evaluation.context import Row
from barcodemae.evaluation.scores import find
from barcodemae.evaluation.tasks import genus_probe

ROW = Row("3-mers", KmerFrequencies(3))


@pytest.mark.parametrize(("rank", "neighbours"), [("genus", 1), ("family", 1), ("genus", 5)])
def test_figures_are_those_of_scikit_learn(table, make_context, rank, neighbours):
    context = make_context(table, rank=rank, neighbours=neighbours)
    genus_probe.check(context)
    records = genus_probe.run(ROW, context)
    encode = ROW.encoder.embed
    classifier = KNeighborsClassifier(neighbours, metric="cosine", weights=lambda d: 1 - d)
    classifier.fit(encode(context.reference.sequences), context.reference.table[rank])
    named = classifier.predict(encode(context.query.sequences))
    truth = context.query.table[rank]
    accuracy = find(records, "3-mers", "genus-probe", "accuracy")
    assert accuracy["value"] == pytest.approx((named == truth).mean())
    assert accuracy["n"] == len(truth) == 128
    assert accuracy["interval"][0] <= accuracy["value"] <= accuracy["interval"][1]
    balanced = find(records, "3-mers", "genus-probe", "balanced_accuracy")
    assert balanced["value"] == pytest.approx(balanced_accuracy_score(truth, named))


def test_later_models_are_tested_against_the_first(table, make_context):
    context, other = make_context(table), Row("1-mers", KmerFrequencies(1))
    records, _ = evaluator.run_tasks([ROW, other], ["genus-probe"], context)
    assert not find(records, "3-mers", "genus-probe", "accuracy_difference")
    difference = find(records, "1-mers", "genus-probe", "accuracy_difference")
    values = [find(records, m, "genus-probe", "accuracy")["value"] for m in ("1-mers", "3-mers")]
    assert difference["value"] == pytest.approx(values[0] - values[1])
    assert difference["settings"]["against"] == "3-mers"
    assert 0 <= difference["settings"]["p_value"] < 0.05


def test_unreachable_queries_are_counted_and_wrong(table, make_context):
    rows = table[(table["genus"] != "Genus0") | (table["split"] != "train")]
    context = make_context(rows)
    genus_probe.check(context)
    assert "16 of 128 queries have a genus that the reference lacks" in context.warnings[0]
    records = genus_probe.run(ROW, context)
    assert find(records, "3-mers", "genus-probe", "unreachable_queries")["value"] == 16
    assert find(records, "3-mers", "genus-probe", "accuracy")["n"] == 128


def test_what_two_tasks_notice_is_said_once(table, make_context):
    context = make_context(table[(table["genus"] != "Genus0") | (table["split"] != "train")])
    evaluator.check(["genus-probe", "robustness"], [], context)
    assert len(context.warnings) == 1


def test_barcodes_without_a_label_are_left_out_and_counted(table, make_context):
    table.loc[table.index[::7], "genus"] = None
    context = make_context(table)
    genus_probe.check(context)
    assert any("of train have no genus" in text for text in context.warnings)
    known = context.query.table["genus"].notna().sum()
    records = genus_probe.run(ROW, context)
    assert find(records, "3-mers", "genus-probe", "accuracy")["n"] == known


def test_an_aligner_sees_the_same_barcodes(table, make_context):
    class Echo:
        fingerprint, settings = "echo", {"encoder": None}

        def name_queries(self, reference, labels, query, seed):
            self.seen = reference, labels, query
            n = len(query)
            return Named(["Genus1"] * n, [1.0] * n, [0] * n, 1.5, 2.5)

    context, echo = make_context(table), Echo()
    records = genus_probe.run(Row("echo", aligner=echo), context)
    assert echo.seen[0] == context.reference.sequences and echo.seen[2] == context.query.sequences
    assert find(records, "echo", "genus-probe", "accuracy")["value"] == pytest.approx(1 / 8)
    assert find(records, "echo", "genus-probe", "cpu_seconds")["value"] == 2.5


def one_reference(table):
    return table.drop(table.index[table["split"] == "train"][1:]).assign(genus="Genus0")


def other_genera(table):
    return table.assign(genus=table["genus"].where(table["split"] == "train", "Another"))


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (one_reference, {}, "one barcode with a genus"),
        (other_genera, {}, "no genus of the query 'test_unseen' occurs in the reference"),
        (lambda t: t, {"rank": "subfamily"}, "no barcode of the split 'train' has a subfamily"),
        (lambda t: t, {"neighbours": 81}, "the reference has 80 barcodes"),
        (lambda t: t, {"neighbours": 0}, "give 1 to 80"),
    ],
)
def test_bad_input_is_found_before_any_work(table, make_context, change, settings, message):
    with pytest.raises(BarcodeMAEError, match=message):
        genus_probe.check(make_context(change(table), **settings))


def test_shared_barcodes_are_counted(table, make_context):
    queries = table.index[table["split"] == "test_unseen"]
    table.loc[queries[:3], "nucleotides"] = table["nucleotides"].iloc[0]
    context = make_context(table)
    genus_probe.check(context)
    assert any("1 barcodes stand in the reference" in text for text in context.warnings)
    assert np.isin(table["nucleotides"].iloc[0], context.query.sequences)
