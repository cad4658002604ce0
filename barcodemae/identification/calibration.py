"""Probabilities that can be believed, and from which one on to rely on a name."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import nn
from torch.nn import functional as F

from barcodemae.identification.lineages import IGNORED, Lineages

# Below the lowest probability that is enough, so that a call which has it stays confident where
# other hardware, or another batch, rounds otherwise.
_ROUNDING = 1e-6


def best_temperature(logits: torch.Tensor, labels: np.ndarray) -> float:
    """The number to divide logits (n, taxa) by that makes labels (n,) likeliest (Guo et al. 2017).

    1 where no barcode has a label.
    """
    known = labels != IGNORED
    if not known.any():
        return 1.0
    logits, targets = logits[known].double(), torch.from_numpy(labels[known])

    def loss(log_temperature: float) -> float:
        return float(F.cross_entropy(logits / np.exp(log_temperature), targets))

    return float(np.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded").x))


@torch.no_grad()
def divide(head: nn.Linear, temperature: float) -> None:
    """Build a temperature into a head, so that whoever serves it gets calibrated probabilities."""
    head.weight.div_(temperature)
    head.bias.div_(temperature)


def confidence_thresholds(
    logits: torch.Tensor, labels: np.ndarray, lineages: Lineages, accuracy: float
) -> dict[str, float]:
    """For each rank the lowest probability from which on calls are as accurate as asked.

    Args:
        logits: (n, leaves), calibrated.
        labels: (n, ranks).
        accuracy: share of the calls at or above the threshold that must be right.

    Returns:
        rank -> threshold. A rank where the surest calls are not accurate enough, or that has no
        label, is left out: none of its calls is to be called confident.
    """
    thresholds = {}
    for column, rank in enumerate(lineages.ranks):
        known = labels[:, column] != IGNORED
        best, named = lineages.logits(logits, rank).softmax(dim=1).max(dim=1)
        probability = best.numpy()[known]
        is_right = (named.numpy() == labels[:, column])[known]
        surest = np.argsort(-probability, kind="stable")
        probability, is_right = probability[surest], is_right[surest]
        share = np.cumsum(is_right) / np.arange(1, len(is_right) + 1)
        # Equal probabilities are confident together or not at all.
        is_last_of_equals = np.append(probability[1:] != probability[:-1], True)
        enough = np.flatnonzero((share >= accuracy) & is_last_of_equals[: len(share)])
        if len(enough):
            thresholds[rank] = float(probability[enough[-1]]) - _ROUNDING
    return thresholds
