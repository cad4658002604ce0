"""Probabilities that are right as often as they say: curves for each feature, then isotonic.

A `Curves` is a logistic regression on piecewise linear functions of the features, followed by a
centred isotonic one (Oron and Flournoy 2017): both fitted by scikit-learn, both applied by
`numpy.interp` alone, so an answer needs neither scikit-learn nor a pickle. Centred: each step of
the isotonic regression becomes a point at its mean, with straight lines between; steps would make
equal what the log-odds tell apart. There is one for each number of sites that were tried; between
them the log-odds are interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from barcodemae.errors import BarcodeMAEError

KNOTS = 6  # of each feature's curve
BINS = 10  # of the reliability diagram
TARGET = 0.95
_CERTAIN = 0.999  # no probability is nearer to 1 or 0, however large the sample
_PENALTY = 1.0  # inverse strength of the logistic regression's L2 penalty
_FEWEST = 200  # weighed examples, and a tenth as many of either outcome


def check_target(target: float) -> None:
    """Raise BarcodeMAEError where the probability that a rank has to reach is none."""
    if not 0 < target < 1:
        raise BarcodeMAEError(f"--target {target:g}: give a probability between 0 and 1")


@dataclass
class Curves:
    """Probability of one outcome from features (n, columns).

    Attributes:
        columns: which features are read.
        knots, values: for each of them, the places and heights of its curve.
        intercept: of the log-odds.
        scores, probabilities: the points of the isotonic map from log-odds.
    """

    columns: list[int]
    knots: list[list[float]]
    values: list[list[float]]
    intercept: float
    scores: list[float]
    probabilities: list[float]

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        outcomes: np.ndarray,
        weights: np.ndarray,
        groups: np.ndarray,
        columns: Sequence[int],
    ) -> Curves | None:
        """From n examples; None where they are too few or of one outcome.

        The isotonic map is fitted to log-odds that were predicted for groups (genera) left out.
        """
        from sklearn.isotonic import IsotonicRegression

        least = min(outcomes.sum(), (~outcomes).sum())
        if len(outcomes) < _FEWEST or least < _FEWEST // 10:
            return None
        knots = [_knots(features[:, column]) for column in columns]
        hats = np.concatenate(
            [_hats(features[:, c], k) for c, k in zip(columns, knots, strict=True)], axis=1
        )
        folds = np.unique(groups, return_inverse=True)[1] % 5
        left_out = np.zeros(len(outcomes))
        for fold in range(5):
            inside = folds != fold
            if len(np.unique(outcomes[inside])) < 2:
                return None
            left_out[~inside] = _logistic(hats[inside], outcomes[inside], weights[inside])(
                hats[~inside]
            )
        # No nearer to 1 or 0 than so many examples can tell (the rule of succession).
        lowest = max(1 / ((~outcomes).sum() + 2), 1 - _CERTAIN)
        highest = min(1 - 1 / (outcomes.sum() + 2), _CERTAIN)
        isotonic = IsotonicRegression(y_min=lowest, y_max=highest)
        steps = isotonic.fit_transform(left_out, outcomes, sample_weight=weights)
        probabilities, step = np.unique(steps, return_inverse=True)
        scores = np.bincount(step, weights * left_out) / np.bincount(step, weights)
        model = _logistic(hats, outcomes, weights)
        heights = np.split(model.coefficients, np.cumsum([len(k) for k in knots])[:-1])
        return cls(
            list(columns),
            [k.tolist() for k in knots],
            [h.tolist() for h in heights],
            float(model.intercept),
            scores.tolist(),
            probabilities.tolist(),
        )

    def log_odds(self, features: np.ndarray) -> np.ndarray:
        """(n,) log-odds before the isotonic map."""
        total = np.full(len(features), self.intercept)
        for column, knots, values in zip(self.columns, self.knots, self.values, strict=True):
            total += np.interp(features[:, column], knots, values)
        return total

    def probability(self, features: np.ndarray) -> np.ndarray:
        """(n,) probabilities."""
        return np.interp(self.log_odds(features), self.scores, self.probabilities)


@dataclass
class _Logistic:
    coefficients: np.ndarray
    intercept: float

    def __call__(self, hats: np.ndarray) -> np.ndarray:
        return hats @ self.coefficients + self.intercept


def _logistic(hats: np.ndarray, outcomes: np.ndarray, weights: np.ndarray) -> _Logistic:
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=_PENALTY, max_iter=500).fit(hats, outcomes, sample_weight=weights)
    return _Logistic(fitted.coef_[0], float(fitted.intercept_[0]))


def _knots(values: np.ndarray) -> np.ndarray:
    return np.unique(np.quantile(values, np.linspace(0, 1, KNOTS)))


def _hats(values: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """(n, knots): the weights with which a piecewise linear curve mixes its heights."""
    return np.stack([np.interp(values, knots, unit) for unit in np.eye(len(knots))], axis=1)


@dataclass
class Calibration:
    """Curves for each outcome at each number of sites.

    Attributes:
        sites: the numbers of sites, rising, for which curves were fitted.
        curves: outcome -> one for each of `sites`.
        origin: "library", or "package" where the library was too small to calibrate.
        figures: the reliability of the probabilities, left-out genera, at whole length.
    """

    sites: list[int]
    curves: dict[str, list[Curves]]
    origin: str
    figures: dict = field(default_factory=dict)

    def probability(self, outcome: str, features: np.ndarray, sites: np.ndarray) -> np.ndarray:
        """(n,) probabilities of queries with so many sites (n,)."""
        fitted = self.curves[outcome]
        odds = np.stack([_logit(curves.probability(features)) for curves in fitted])
        at = np.interp(np.log(np.maximum(sites, 1)), np.log(self.sites), np.arange(len(fitted)))
        below = np.floor(at).astype(int)
        above = np.minimum(below + 1, len(fitted) - 1)
        rows, share = np.arange(len(features)), at - below
        mixed = (1 - share) * odds[below, rows] + share * odds[above, rows]
        return 1 / (1 + np.exp(-mixed))

    def to_json(self) -> dict:
        return {
            "sites": self.sites,
            "origin": self.origin,
            "figures": self.figures,
            "curves": {
                outcome: [vars(curves) for curves in fitted]
                for outcome, fitted in self.curves.items()
            },
        }

    @classmethod
    def from_json(cls, content: dict) -> Calibration:
        """Raises KeyError or TypeError where the content is not what `to_json` gives."""
        curves = {
            outcome: [Curves(**each) for each in fitted]
            for outcome, fitted in content["curves"].items()
        }
        return cls(content["sites"], curves, content["origin"], content["figures"])


def _logit(probability: np.ndarray) -> np.ndarray:
    clipped = np.clip(probability, 1 - _CERTAIN, _CERTAIN)
    return np.log(clipped / (1 - clipped))


def reliability(
    probabilities: np.ndarray, outcomes: np.ndarray, weights: np.ndarray | None = None
) -> dict:
    """Bins of the reliability diagram, expected calibration error, coverage at 95 % accuracy.

    Returns:
        "bins": [[mean probability, share right, share of all], ...] of the bins that are not
        empty; "ece": the mean distance of the first two; "coverage_at_95": the largest share of
        all that can be answered, most probable first, with 95 % of the answers right.
    """
    return {
        "bins": reliability_bins(probabilities, outcomes, BINS, weights).round(4).tolist(),
        "ece": round(calibration_error(probabilities, outcomes, BINS, weights), 4),
        "coverage_at_95": round(coverage(probabilities, outcomes, weights), 4),
    }


def calibration_error(
    probabilities: np.ndarray, outcomes: np.ndarray, bins: int, weights: np.ndarray | None = None
) -> float:
    """Expected calibration error: mean gap between probability and share right over equal bins."""
    stated, right, share = reliability_bins(probabilities, outcomes, bins, weights).T
    return float((share * abs(stated - right)).sum())


def reliability_bins(
    probabilities: np.ndarray, outcomes: np.ndarray, bins: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """(filled bins, 3): mean probability, share right and share of all, of bins that are equal."""
    weights = np.ones(len(probabilities)) if weights is None else weights
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    mass, stated, right = (
        np.bincount(place, weights * each, bins) for each in (1, probabilities, outcomes)
    )
    filled = mass > 0
    found = stated[filled] / mass[filled], right[filled] / mass[filled], mass[filled] / mass.sum()
    return np.stack(found, axis=1)


def coverage(
    scores: np.ndarray,
    outcomes: np.ndarray,
    weights: np.ndarray | None = None,
    accuracy: float = TARGET,
) -> float:
    """Largest share that can be answered, highest score first, at an accuracy."""
    weights = np.ones(len(scores)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    answered = np.cumsum(weights[order])
    right = np.cumsum((weights * outcomes)[order])
    # Equal scores are answered together or not at all.
    last = np.append(np.diff(scores[order]) != 0, True) if len(scores) else np.zeros(0, bool)
    enough = (right >= accuracy * answered) & last
    return float(answered[enough].max() / answered[-1]) if enough.any() else 0.0
