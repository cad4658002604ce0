"""The order in which training reads barcodes, for any number of processes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import datasets
import numpy as np
import torch


class Draws(torch.utils.data.Dataset):
    """Barcodes by the number of their draw: draw d is barcode order[d mod n] of epoch d // n.

    The epochs follow one another without a gap, so every global batch is full, whatever the number
    of barcodes: no last batch of another shape, and the count of barcodes seen is exact.
    """

    def __init__(self, barcodes: datasets.Dataset, rows: np.ndarray, seed: int | None):
        """`rows` of `barcodes`, shuffled anew for each epoch by `seed`; None: as they stand."""
        self.barcodes = barcodes
        self.rows = rows
        self.seed = seed
        self._open()

    def _open(self) -> None:
        """What each process has for itself."""
        self._nucleotides = self.barcodes.data.column("nucleotides")
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def __len__(self) -> int:
        return len(self.rows)

    def row_of(self, draw: int) -> int:
        """The row of `barcodes` that is drawn."""
        epoch, place = divmod(draw, len(self.rows))
        return int(self._order(epoch)[place])

    def __getitem__(self, draw: int) -> tuple:
        """The draw's number and its barcode."""
        return draw, self._nucleotides[self.row_of(draw)].as_py()

    @property
    def record(self) -> dict:
        """What the records of a run say of its barcodes."""
        return {"n_barcodes": len(self.rows)}

    def _shuffled(self, epoch: int) -> np.ndarray:
        if self.seed is None:
            return self.rows
        return np.random.default_rng([self.seed, epoch]).permutation(self.rows)

    def __getstate__(self) -> dict:  # for worker processes
        return {name: value for name, value in self.__dict__.items() if name[0] != "_"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._open()


class ShareOfDraws:
    """The draws of one process, a list for each of its batches.

    A global batch is `batch_size` x `num_processes` consecutive draws; each process takes its own
    part of it.

    Args:
        batches: range of batch numbers to yield; a resumed run begins where it stopped.
        batch_size: draws in one process's batch.
        process, num_processes: which share.
    """

    def __init__(self, batches: range, batch_size: int, process: int, num_processes: int):
        self.batches = batches
        self.batch_size = batch_size
        self.process = process
        self.num_processes = num_processes

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        for number in self.batches:
            first = (number * self.num_processes + self.process) * self.batch_size
            yield list(range(first, first + self.batch_size))


def hold_out(count: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows for training and rows for validation, each (n,) in ascending order."""
    shuffled = np.random.default_rng(seed).permutation(count)
    held_out = max(1, round(share * count))
    return np.sort(shuffled[held_out:]), np.sort(shuffled[:held_out])
