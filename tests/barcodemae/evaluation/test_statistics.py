import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from barcodemae.evaluation import statistics


@pytest.fixture
def codes():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 12, 300)
    named = np.where(generator.random(300) < 0.7, truth, generator.integers(0, 15, 300))
    return truth, named


def test_scores_are_those_of_scikit_learn(codes):
    found = statistics.scores(*codes)
    assert found["accuracy"] == pytest.approx(accuracy_score(*codes))
    with pytest.warns(UserWarning, match="not in y_true"):
        assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(*codes))
    for average in ("micro", "macro", "weighted"):
        assert found[f"f1_{average}"] == pytest.approx(f1_score(*codes, average=average))


def test_weights_count_a_query_so_many_times(codes):
    truth, named = codes
    weights = np.random.default_rng(1).integers(0, 4, len(truth))
    repeated = statistics.scores(np.repeat(truth, weights), np.repeat(named, weights))
    assert statistics.scores(truth, named, weights) == pytest.approx(repeated)


def test_intervals_are_those_of_the_binomial(codes):
    low, high = statistics.bootstrap_intervals(*codes, 1000, 0)["accuracy"]
    share = (codes[0] == codes[1]).mean()
    half = 1.96 * np.sqrt(share * (1 - share) / len(codes[0]))
    assert (low, high) == pytest.approx((share - half, share + half), abs=0.01)


def test_no_hit_is_a_wrong_name():
    truth, named = statistics.encode(np.array(["a", "b"]), np.array(["a", ""]))
    assert statistics.scores(truth, named)["accuracy"] == 0.5


def test_copies_of_a_species_make_no_interval_narrower(codes):
    truth, named = (np.repeat(each, 10) for each in codes)
    groups = np.repeat(np.arange(len(codes[0])), 10)
    wide = statistics.bootstrap_intervals(truth, named, 1000, 0, groups)["accuracy"]
    single = statistics.bootstrap_intervals(*codes, 1000, 0)["accuracy"]
    narrow = statistics.bootstrap_intervals(truth, named, 1000, 0)["accuracy"]
    assert wide == pytest.approx(single)
    assert narrow[1] - narrow[0] < 0.5 * (wide[1] - wide[0])


def test_paired_test_counts_the_queries_where_the_models_differ():
    first = np.array([True] * 60 + [False] * 40)
    other = np.array([True] * 55 + [False] * 5 + [True] * 20 + [False] * 20)
    found = statistics.paired_test(first, other, 500, 0)
    difference = found["accuracy_difference"]
    assert difference["value"] == pytest.approx(0.15)
    assert (found["only_first_right"], found["only_other_right"]) == (5, 20)
    assert found["mcnemar_p_value"] == pytest.approx(binomtest(20, 25).pvalue)
    # Signs of single queries turned at random are McNemar's test.
    assert difference["p_value"] == pytest.approx(found["mcnemar_p_value"], abs=0.003)
    assert difference["interval"][0] < 0.15 < difference["interval"][1]


def test_one_species_of_many_barcodes_proves_nothing():
    first, other = np.zeros(100, dtype=bool), np.arange(100) < 30
    found = statistics.paired_test(first, other, 500, 0, groups=np.arange(100) // 30)
    assert found["accuracy_difference"]["p_value"] > 0.5
    assert found["accuracy_difference"]["interval"][0] == 0
    assert found["mcnemar_p_value"] < 1e-6


def test_the_averaged_difference_counts_every_taxon_alike():
    taxa = np.array([0] * 90 + [7] * 10)
    first, other = taxa == 0, taxa == 7
    found = statistics.paired_test(first, other, 200, 0, np.arange(100), taxa)
    assert found["accuracy_difference"]["value"] == pytest.approx(-0.8)
    assert found["balanced_accuracy_difference"]["value"] == pytest.approx(0)
    assert found["balanced_accuracy_difference"]["p_value"] > 0.5


def test_equal_models_do_not_differ():
    right = np.array([True, False])
    found = statistics.paired_test(right, right, 10, 0)
    assert found["accuracy_difference"]["p_value"] == found["mcnemar_p_value"] == 1.0
