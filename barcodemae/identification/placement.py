"""Where barcodes begin: on the grid of the reference's whole barcodes.

Primers and trimming make barcodes of one gene begin at different places. A model that cuts k-mers
from the first nucleotide reads such barcodes in different frames, and at different positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft

_BASES = np.frombuffer(b"ACGT", dtype=np.uint8)
_AT_ONCE = 512  # barcodes, whose spectra are held
_PSEUDOCOUNT = 1.0


class Placement:
    """Finds starts by the profile of the reference barcodes that have its commonest length.

    Args:
        reference: barcodes; those of the commonest length are taken to begin at one place, 0.
    """

    def __init__(self, reference: Sequence[str]):
        lengths = np.array([len(barcode) for barcode in reference])
        values, counts = np.unique(lengths, return_counts=True)
        self.length = int(values[counts.argmax()])
        whole = [barcode for barcode in reference if len(barcode) == self.length]
        counted = sum(_one_hot(part, self.length).sum(axis=0) for part in _parts(whole))
        shares = counted + _PSEUDOCOUNT  # (4, length)
        shares /= shares.sum(axis=0)
        overall = shares.mean(axis=1, keepdims=True)
        self.log_odds = np.log(shares / overall)

    def starts(self, barcodes: Sequence[str]) -> np.ndarray:
        """(n,) places of the first nucleotides, negative before the grid.

        The place of the highest log-odds among those where at least half of the barcode, or of the
        grid, overlaps the other; no gaps. 0 where nothing speaks for a place.
        """
        found = [self._starts(part) for part in _parts(barcodes)]
        return np.concatenate(found) if found else np.zeros(0, dtype=int)

    def _starts(self, barcodes: Sequence[str]) -> np.ndarray:
        longest = max(map(len, barcodes))
        size = fft.next_fast_len(self.length + longest, real=True)
        profile = fft.rfft(self.log_odds, size)
        spectra = fft.rfft(_one_hot(barcodes, longest), size)  # (n, 4, frequencies)
        scores = fft.irfft((profile * spectra.conj()).sum(axis=1), size)  # by start modulo size
        places = np.arange(-longest + 1, self.length)
        scores = scores[:, places % size]
        lengths = np.array([len(barcode) for barcode in barcodes])[:, None]
        overlaps = np.minimum(places + lengths, self.length) - np.maximum(places, 0)
        scores[overlaps < np.minimum(lengths, self.length) / 2] = -np.inf
        best = scores.argmax(axis=1)
        return np.where(scores[np.arange(len(best)), best] > 0, places[best], 0)


def _parts(barcodes: Sequence[str]) -> list[Sequence[str]]:
    return [barcodes[start : start + _AT_ONCE] for start in range(0, len(barcodes), _AT_ONCE)]


def _one_hot(barcodes: Sequence[str], width: int) -> np.ndarray:
    """(n, 4, width) float64, zeros at whatever is not A, C, G or T."""
    text = "".join(barcode.ljust(width, "N") for barcode in barcodes)
    letters = np.frombuffer(text.encode("ascii", "replace"), dtype=np.uint8)
    letters = letters.reshape(len(barcodes), 1, width)
    return (letters == _BASES[:, None]).astype(float)
