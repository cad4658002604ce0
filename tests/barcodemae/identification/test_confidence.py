import json

import numpy as np
import pytest

from barcodemae.identification.confidence import Calibration, Curves, coverage, reliability


def _examples(seed: int, count: int = 4000):
    rng = np.random.default_rng(seed)
    features = rng.random((count, 2)).astype(np.float32)
    chances = 1 / (1 + np.exp(-8 * (features[:, 0] ** 2 - 0.4)))  # the second feature says nothing
    return features, rng.random(count) < chances, chances


def _fitted(seed: int = 0) -> Curves:
    features, outcomes, _ = _examples(seed)
    groups = np.arange(len(features)) % 50
    return Curves.fit(features, outcomes, np.ones(len(features)), groups, (0, 1))


def test_probabilities_are_right_as_often_as_they_say():
    features, outcomes, chances = _examples(seed=1)
    stated = _fitted().probability(features)
    assert reliability(stated, outcomes)["ece"] < 0.03
    assert abs(stated - chances).mean() < 0.05


def test_whatever_the_log_odds_tell_apart_the_probabilities_do():
    features, *_ = _examples(seed=3)
    curves = _fitted()
    odds, stated = curves.log_odds(features), curves.probability(features)
    order = odds.argsort()
    inside = (odds[order] > curves.scores[0]) & (odds[order] < curves.scores[-1])
    assert inside.mean() > 0.9 and (np.diff(stated[order][inside]) > 0).all()


def test_too_few_examples_or_one_outcome_give_no_curves():
    features, outcomes, _ = _examples(0, count=50)
    ones, groups = np.ones(50), np.arange(50)
    assert Curves.fit(features, outcomes, ones, groups, (0, 1)) is None
    features, outcomes, _ = _examples(0)
    all_right = np.ones(len(outcomes), dtype=bool)
    groups = np.arange(len(outcomes))
    assert Curves.fit(features, all_right, np.ones(len(outcomes)), groups, (0,)) is None


def test_between_two_lengths_the_log_odds_are_interpolated_and_json_keeps_them():
    curves = [_fitted(0), _fitted(2)]
    calibration = Calibration([100, 400], {"genus": curves}, "library")
    features = np.full((3, 2), 0.5, dtype=np.float32)
    low, middle, high = calibration.probability("genus", features, np.array([100, 200, 400]))
    odds = [np.log(p / (1 - p)) for p in (low, middle, high)]
    assert odds[1] == pytest.approx((odds[0] + odds[2]) / 2, abs=1e-9)
    back = Calibration.from_json(json.loads(json.dumps(calibration.to_json())))
    sites = np.array([90, 200, 658])
    np.testing.assert_array_equal(
        back.probability("genus", features, sites),
        calibration.probability("genus", features, sites),
    )


def test_reliability_by_hand():
    stated = np.array([0.05, 0.05, 0.95, 0.95])
    figures = reliability(stated, np.array([False, True, True, True]))
    assert figures["bins"] == [[0.05, 0.5, 0.5], [0.95, 1.0, 0.5]]
    assert figures["ece"] == pytest.approx(0.25)
    assert figures["coverage_at_95"] == 0.5


def test_equal_scores_are_answered_together_or_not_at_all():
    assert coverage(np.ones(10), np.arange(10) > 0) == 0
    assert coverage(np.ones(40), np.arange(40) > 0) == 1
