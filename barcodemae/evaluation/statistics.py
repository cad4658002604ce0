"""Scores of named queries with 95 % bootstrap intervals, and the paired test between two models."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest

_LEVELS = (2.5, 97.5)


def encode(truth: np.ndarray, named: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integer codes (n,), (n,) of labels; "" (no hit) is a class of its own, as any wrong name."""
    _, codes = np.unique(np.concatenate([truth, named]), return_inverse=True)
    return codes[: len(truth)], codes[len(truth) :]


def scores(truth: np.ndarray, named: np.ndarray, weights: np.ndarray | None = None) -> dict:
    """Accuracy, balanced accuracy and F1 of codes (n,), each query counted `weights` (n,) times.

    Equal to scikit-learn's, at a speed that a bootstrap can afford.
    """
    weights = np.ones(len(truth)) if weights is None else weights
    size = max(truth.max(), named.max()) + 1
    right = truth == named
    hits = np.bincount(truth[right], weights[right], minlength=size)
    support = np.bincount(truth, weights, minlength=size)
    called = np.bincount(named, weights, minlength=size)
    total = support.sum()
    f1 = 2 * hits / np.where(support + called == 0, 1, support + called)
    return {
        "accuracy": hits.sum() / total,
        "balanced_accuracy": (hits[support > 0] / support[support > 0]).mean(),
        "f1_micro": hits.sum() / total,
        "f1_macro": f1[support + called > 0].mean(),
        "f1_weighted": (f1 * support).sum() / total,
    }


def bootstrap_intervals(
    truth: np.ndarray, named: np.ndarray, resamples: int, seed: int
) -> dict[str, list[float]]:
    """95 % percentile intervals of `scores`, the queries drawn anew `resamples` times."""
    drawn = [scores(truth, named, weights) for weights in _draws(len(truth), resamples, seed)]
    return {
        metric: np.percentile([score[metric] for score in drawn], _LEVELS).tolist()
        for metric in drawn[0]
    }


def paired_test(first: np.ndarray, other: np.ndarray, resamples: int, seed: int) -> dict:
    """Compare two models on the same queries.

    Args:
        first, other: (n,) bool, whether each classifies a query correctly.

    Returns:
        difference in accuracy (other minus first), its 95 % bootstrap interval, and the p-value of
        McNemar's exact test on the queries where they differ.
    """
    gain = other.astype(float) - first
    means = [np.average(gain, weights=w) for w in _draws(len(gain), resamples, seed)]
    only_other, only_first = int((gain > 0).sum()), int((gain < 0).sum())
    differ = only_other + only_first
    return {
        "difference": float(gain.mean()),
        "interval": np.percentile(means, _LEVELS).tolist(),
        "p_value": float(binomtest(only_other, differ).pvalue) if differ else 1.0,
        "only_first_right": only_first,
        "only_other_right": only_other,
    }


def _draws(n: int, resamples: int, seed: int):
    """How often each of n queries is drawn in n draws with replacement, `resamples` times."""
    generator = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(generator.integers(0, n, n), minlength=n)
