"""Which barcodes an epoch reads, where not simply each of them once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class BalancedSampler(Sampler[int]):
    """Rows drawn with replacement, every taxon equally often; a new draw for each epoch.

    They follow from the seed and the number of the epoch. `labels` (n,) are the taxa; rows without
    a label are drawn as if they were a taxon of their own.
    """

    def __init__(self, labels: np.ndarray, seed: int):
        self.probabilities, self.seed = balanced(labels), seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.probabilities)

    def __iter__(self) -> Iterator[int]:
        draw = np.random.default_rng([self.seed, self.epoch])
        yield from draw.choice(len(self), size=len(self), p=self.probabilities).tolist()


def balanced(labels: np.ndarray) -> np.ndarray:
    """(n,) probabilities by which each of the labels (n,) is drawn equally often."""
    _, taxa, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return 1 / (len(counts) * counts[taxa])
