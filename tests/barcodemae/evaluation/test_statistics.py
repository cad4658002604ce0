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


def test_paired_test_counts_the_queries_where_the_models_differ():
    first = np.array([True] * 60 + [False] * 40)
    other = np.array([True] * 55 + [False] * 5 + [True] * 20 + [False] * 20)
    found = statistics.paired_test(first, other, 500, 0)
    assert found["difference"] == pytest.approx(0.15)
    assert (found["only_first_right"], found["only_other_right"]) == (5, 20)
    assert found["p_value"] == pytest.approx(binomtest(20, 25).pvalue)
    assert found["interval"][0] < 0.15 < found["interval"][1]


def test_equal_models_do_not_differ():
    right = np.array([True, False])
    assert statistics.paired_test(right, right, 10, 0)["p_value"] == 1.0
