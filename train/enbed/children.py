"""What the objective `mutations` learns from: a parent's window, and its child's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch

from enbed.tokenization_enbed import END, ID_OF_CODE
from grid_barcodemae import UNKNOWN
from train.enbed.strains import Pairs
from train.loop.barcodes import Draws


class PairDraws(Draws):
    """Pairs by the number of their draw, as `Draws` has barcodes."""

    barcodes: Pairs

    def _open(self) -> None:
        self._order = lru_cache(maxsize=2)(self._shuffled)

    @property
    def record(self) -> dict:
        """What the records of a run say of its pairs."""
        return {"n_pairs": len(self.rows)}

    def __getitem__(self, draw: int) -> tuple[int, np.ndarray, np.ndarray]:
        """The draw's number, and the codes of parent and child."""
        row = self.row_of(draw)
        return draw, self.barcodes.parents[row], self.barcodes.children[row]


class PairCollator:
    """Windows of pairs, where both are known: the encoder reads the parent's, the decoder writes
    the child's.

    Args:
        window: nucleotides, anywhere in the pair, so that mutations are as rare as they are.
        seed: where a draw's window lies follows from it and the draw's number.
        end: draws from it on only fill up a batch; their labels do not count.
    """

    def __init__(self, window: int, seed: int, end: int | None = None):
        self.window, self.seed, self.end = window, seed, end

    def __call__(self, draws: Sequence[tuple]) -> dict[str, torch.Tensor]:
        ids = np.zeros((len(draws), self.window + 1), dtype=np.int64)
        labels = np.full(ids.shape, -100)
        for row, (draw, parent, child) in enumerate(draws):
            known = (parent < UNKNOWN) & (child < UNKNOWN)
            places = np.flatnonzero(known)
            front, end = places[0], places[-1] + 1
            rng = np.random.default_rng([self.seed, draw])
            start = int(rng.integers(front, max(end - self.window, front) + 1))
            width = min(self.window, end - start)
            part = slice(start, start + width)
            ids[row, :width], ids[row, width] = ID_OF_CODE[parent[part]], END
            if self.end is None or draw < self.end:
                # Unknown nucleotides of the child are not predicted.
                written = np.where(child[part] < UNKNOWN, ID_OF_CODE[child[part]], -100)
                labels[row, :width], labels[row, width] = written, END
        tokens = torch.from_numpy(ids)
        return {
            "input_ids": tokens,
            "attention_mask": (tokens != 0).long(),
            "labels": torch.from_numpy(labels),
        }
