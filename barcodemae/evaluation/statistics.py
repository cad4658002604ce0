"""Scores of named queries with 95 % bootstrap intervals, and the paired test between two models.

Barcodes of one species are all but copies of one another, right or wrong together. So what is drawn
anew, or has its sign turned, is a species with all its barcodes.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest

_LEVELS = (2.5, 97.5)
_FLIPS = 9999


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
    truth: np.ndarray,
    named: np.ndarray,
    resamples: int,
    seed: int,
    groups: np.ndarray | None = None,
) -> dict[str, list[float]]:
    """95 % percentile intervals of `scores`, the groups of queries drawn anew `resamples` times.

    `groups` (n,) are codes of the queries' species; None: each query is drawn on its own.
    """
    groups = np.arange(len(truth)) if groups is None else groups
    drawn = [scores(truth, named, weights) for weights in _draws(groups, resamples, seed)]
    return {
        metric: np.percentile([score[metric] for score in drawn], _LEVELS).tolist()
        for metric in drawn[0]
    }


def paired_test(
    first: np.ndarray,
    other: np.ndarray,
    resamples: int,
    seed: int,
    groups: np.ndarray | None = None,
    taxa: np.ndarray | None = None,
) -> dict:
    """Compare two models on the same queries.

    Args:
        first, other: (n,) bool, whether each classifies a query correctly.
        resamples: of the bootstrap intervals.
        seed: of the draws and of the flips.
        groups: (n,) codes of the queries' species; None: each query is on its own.
        taxa: (n,) codes of the queries' taxa at the probe's rank; None: one taxon.

    Returns:
        accuracy_difference and balanced_accuracy_difference (other minus first; the second averaged
        over taxa), each {value, interval: by bootstrap of groups, p_value: that turning the sign of
        whole groups at random gives as large a difference}; mcnemar_p_value, exact, as if queries
        were independent; only_first_right and only_other_right, queries.
    """
    gain = other.astype(float) - first
    groups = np.arange(len(gain)) if groups is None else groups
    taxa = np.zeros(len(gain), dtype=int) if taxa is None else taxa
    taxa = np.unique(taxa, return_inverse=True)[1]
    of_taxon = np.bincount(taxa)
    shares = {
        "accuracy_difference": np.full(len(gain), 1 / len(gain)),
        "balanced_accuracy_difference": 1 / (of_taxon[taxa] * len(of_taxon)),
    }
    draws = list(_draws(groups, resamples, seed))
    means = {
        "accuracy_difference": [np.average(gain, weights=w) for w in draws],
        "balanced_accuracy_difference": [_mean_over_taxa(gain, taxa, w) for w in draws],
    }
    only_other, only_first = int((gain > 0).sum()), int((gain < 0).sum())
    differ = only_other + only_first
    return {
        **{
            metric: {
                "value": float((gain * share).sum()),
                "interval": np.percentile(means[metric], _LEVELS).tolist(),
                "p_value": _sign_flips(np.bincount(groups, gain * share), seed),
            }
            for metric, share in shares.items()
        },
        "mcnemar_p_value": float(binomtest(only_other, differ).pvalue) if differ else 1.0,
        "only_first_right": only_first,
        "only_other_right": only_other,
    }


def _mean_over_taxa(gain: np.ndarray, taxa: np.ndarray, weights: np.ndarray) -> float:
    support = np.bincount(taxa, weights)
    sums = np.bincount(taxa, weights * gain)
    return float((sums[support > 0] / support[support > 0]).mean())


def _sign_flips(sums: np.ndarray, seed: int) -> float:
    """Two-sided p-value of the sum of (groups,) differences, with signs at random."""
    sums = sums[sums != 0]
    generator = np.random.default_rng(seed)
    signs = generator.integers(0, 2, (_FLIPS, len(sums)), dtype=np.int8) * 2 - 1
    as_large = np.abs(signs @ sums) >= abs(sums.sum()) - 1e-12
    return float((1 + as_large.sum()) / (1 + _FLIPS))


def _draws(groups: np.ndarray, resamples: int, seed: int):
    """How often each query counts when its group is one of as many drawn with replacement.

    Args:
        groups: (n,) codes, 0 to the number of groups.
    """
    generator, number = np.random.default_rng(seed), int(groups.max()) + 1
    for _ in range(resamples):
        drawn = np.bincount(generator.integers(0, number, number), minlength=number)
        yield drawn[groups]
