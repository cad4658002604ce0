import numpy as np
import pytest
import torch
from torch import nn

from barcodemae.identification.calibration import (
    best_temperature,
    confidence_thresholds,
    divide,
)
from barcodemae.identification.confidence import calibration_error, reliability_bins
from barcodemae.identification.lineages import IGNORED, Lineages


def test_temperature_undoes_overconfidence():
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 5, generator=draw)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=draw)[:, 0].numpy()
    labels[::10] = IGNORED
    assert best_temperature(logits * 3, labels) == pytest.approx(3, rel=0.1)
    known = labels != IGNORED

    def error(scale):
        p, named = (logits * scale).softmax(dim=1).max(dim=1)
        return calibration_error(p.numpy()[known], (named.numpy() == labels)[known], 15)

    assert error(1) < 0.03 < 0.15 < error(3)
    assert best_temperature(logits, np.full(4000, IGNORED)) == 1


def test_temperature_is_built_into_the_head():
    head, x = nn.Linear(4, 3), torch.randn(2, 4)
    before = head(x)
    divide(head, 2.0)
    torch.testing.assert_close(head(x), before / 2)


def one_rank(probabilities):
    """Logits of two taxa; the first has the given probability."""
    p = torch.tensor(probabilities, dtype=torch.float64)
    return torch.stack([p, 1 - p], dim=1).log()


SPECIES = Lineages.from_columns({"species": ["x", "y"]})


def test_threshold_is_the_lowest_that_is_accurate_enough():
    logits = one_rank([0.99, 0.95, 0.9, 0.8, 0.8, 0.7, 0.6])
    wrong_at_070 = np.array([[0], [0], [0], [0], [0], [1], [0]])

    def threshold(accuracy):
        return confidence_thresholds(logits, wrong_at_070, SPECIES, accuracy)["species"]

    assert threshold(1.0) == pytest.approx(0.8, abs=1e-5)
    assert threshold(0.85) == pytest.approx(0.6, abs=1e-5)  # 6 of 7 are right
    assert threshold(0.8) == pytest.approx(0.6, abs=1e-5)


def test_equal_probabilities_stand_or_fall_together():
    logits = one_rank([0.9, 0.8, 0.8])
    labels = np.array([[0], [0], [1]])
    assert confidence_thresholds(logits, labels, SPECIES, 1.0)["species"] == pytest.approx(
        0.9, abs=1e-5
    )


def test_the_least_sure_confident_call_outlives_rounding():
    draw = torch.Generator().manual_seed(0)
    for logits in torch.randn(200, 20, 2, generator=draw):
        labels = logits.argmax(dim=1).numpy()[:, None]
        threshold = confidence_thresholds(logits, labels, SPECIES, 1.0)["species"]
        same_but_for_the_last_bits = (logits / 3 * 3).softmax(dim=1)
        assert same_but_for_the_last_bits.max(dim=1).values.min() >= threshold


def test_no_threshold_where_the_surest_call_is_wrong():
    labels = np.array([[1], [0]])
    assert confidence_thresholds(one_rank([0.9, 0.8]), labels, SPECIES, 0.9) == {}
    unlabelled = np.full((2, 1), IGNORED)
    assert confidence_thresholds(one_rank([0.9, 0.8]), unlabelled, SPECIES, 0.9) == {}


def test_calibration_error_by_hand():
    probability = np.array([0.95, 0.95, 0.15, 1.0])
    is_right = np.array([True, False, False, True])
    bins = reliability_bins(probability, is_right, bins=10)
    assert [share for *_, share in bins] == [0.25, 0.75]
    expected = 0.25 * 0.15 + 0.75 * abs(2 / 3 - (0.95 + 0.95 + 1) / 3)
    assert calibration_error(probability, is_right, bins=10) == pytest.approx(expected)
