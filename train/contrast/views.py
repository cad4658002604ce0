"""A barcode as it might have come: a part of it, some places lost, some misread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from barcodemae.encoders.tokens import grid_ids
from grid_barcodemae import UNKNOWN
from train.contrast.substitutions import Substitutions
from train.loop.draws import random_bits

_UNIT = 2.0**-64  # a random 64-bit integer times this is uniform in [0, 1)
_STREAM = 2**32  # of seeds: masks are drawn from the seed itself
_EVOLVING = 0.7  # share of the views with substitutions
_WINDOW, _LENGTH, _START, _RATE, _SHARE = range(5)
_FIXED = 5  # columns of random numbers that a barcode needs, whatever its length


@dataclass
class Views:
    """Random views of barcodes that follow from `seed` and the draw's number alone.

    Args:
        kmer_size: k.
        seed: of everything random.
        window_share: share of the views that show a window of their barcode alone.
        window_between: its shortest and its longest length, in nucleotides.
        drop: the highest share of k-mers left out; each view's own is uniform below it.
        noise: mean share of nucleotides misread; each view's own is uniform up to twice that.
        evolve: the highest strength of `substitutions`, which most views have; each one's own is
            uniform below it.
        substitutions: as between species of a taxon; None: none.
    """

    kmer_size: int
    seed: int
    window_share: float = 0.0
    window_between: tuple[float, float] = (130, 560)
    drop: float = 0.0
    noise: float = 0.0
    evolve: float = 0.0
    substitutions: Substitutions | None = None

    def __call__(self, draws: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Views of codes (n, places) -> k-mer ids (n, k-mers), [UNK] where nothing is shown.

        At least one k-mer of a barcode is shown.
        """
        n, places = codes.shape
        kmers = places // self.kmer_size
        noisy = places if self.noise else 0
        evolving = 1 + places if self.substitutions else 0
        bits = random_bits(self.seed + _STREAM, draws, _FIXED + kmers + 2 * noisy + evolving)
        uniform = bits[:, : _FIXED + kmers + noisy] * _UNIT
        if self.substitutions:
            strength, *_ = last = bits[:, -evolving:].T * _UNIT
            strength = self.evolve * (1 - strength / _EVOLVING).clip(min=0)
            codes = self.substitutions(codes, strength, last[1:].T)
        if self.noise:
            first = _FIXED + kmers
            wrong = uniform[:, first:] < 2 * self.noise * uniform[:, _RATE, None]
            wrong &= codes < UNKNOWN
            letters = (bits[:, first + noisy : first + 2 * noisy] >> np.uint64(62)).astype(np.uint8)
            codes = np.where(wrong, letters, codes)
        ids = grid_ids(codes, self.kmer_size)
        masked = uniform[:, _FIXED : _FIXED + kmers] < self.drop * uniform[:, _SHARE, None]
        if self.window_share:
            masked |= self._outside(uniform, places, kmers)
        shown = np.where(masked, 4**self.kmer_size, ids)
        nothing = (shown == 4**self.kmer_size).all(axis=1)
        shown[nothing] = ids[nothing]
        return shown

    def _outside(self, uniform: np.ndarray, places: int, kmers: int) -> np.ndarray:
        """(n, k-mers) whether a k-mer reaches out of its view's window."""
        shortest, longest = np.minimum(self.window_between, places)
        length = shortest + np.floor(uniform[:, _LENGTH] * (longest - shortest + 1))
        start = np.floor(uniform[:, _START] * (places - length + 1))
        first = np.arange(kmers) * self.kmer_size  # (k-mers,)
        outside = first < start[:, None]
        outside |= first + self.kmer_size > (start + length)[:, None]
        return outside & (uniform[:, _WINDOW] < self.window_share)[:, None]


def gathered(ids: np.ndarray, unknown: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The known k-mers of each row, at its front: ids, places, whether a slot holds one.

    All three are (n, most known). What is left out costs nothing: attention runs over the rest.
    """
    known = ids != unknown
    width = max(int(known.sum(axis=1).max(initial=0)), 1)
    places = np.argsort(~known, axis=1, kind="stable")[:, :width]
    return (
        np.take_along_axis(ids, places, axis=1),
        places,
        np.take_along_axis(known, places, axis=1),
    )
