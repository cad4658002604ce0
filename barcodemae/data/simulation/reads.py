"""What laboratories send of a barcode: cut, by several primers, from either strand, with N."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from barcodemae.data.simulation.evolution import LENGTH

# Folmer et al. 1994, as they stand in a record that they were left on: the second one turned.
_LCO1490, _HCO2198 = b"GGTCAACAAATCATAAAGATATTGG", b"TGATTTTTTGGTCACCCTGAAGTTTA"
_PRIMERS_ON = (-len(_LCO1490), LENGTH + len(_HCO2198))
# Places that records begin and end at, from 0: primers inside of Folmer's; what is left after
# trimming by quality; Folmer's left on.
_READS = ((0, 636), (19, 658), (34, 621), (57, 658), (3, 582), _PRIMERS_ON)
# Mini-barcodes: Leray et al. 2013, Meusnier et al. 2008, and the halves of Hajibabaei et al. 2006.
_MINI = ((345, 658), (26, 156), (0, 307), (251, 658))
_MOST_UNKNOWN, _MOST_LOST = 10, 100  # nucleotides of a barcode; chosen
_COMPLEMENT = np.arange(256, dtype=np.uint8)
_COMPLEMENT[list(b"ACGT")] = list(b"TGCA")


@dataclass(frozen=True)
class Shares:
    """Shares of barcodes: see `simulate.Simulation`."""

    ambiguous: float = 0.0
    truncated: float = 0.0
    primers: float = 0.0
    mini: float = 0.0
    reversed: float = 0.0


def sequenced(nucleotides: np.ndarray, shares: Shares, rng: np.random.Generator) -> pa.Array:
    """Strings of n records, made of ASCII nucleotides (n, 658) of whole barcodes."""
    count = len(nucleotides)
    for row in np.flatnonzero(rng.random(count) < shares.ambiguous):
        nucleotides[row, rng.integers(0, LENGTH, rng.integers(1, _MOST_UNKNOWN + 1))] = ord("N")
    begin, end = np.zeros(count, dtype=int), np.full(count, LENGTH)
    for share, windows in ((shares.primers, _READS), (shares.mini, _MINI)):
        rows = np.flatnonzero(rng.random(count) < share)
        begin[rows], end[rows] = np.array(windows)[rng.integers(0, len(windows), len(rows))].T
    whole = end - begin > LENGTH - _MOST_LOST  # mini-barcodes are what is left of others already
    lost = np.where(rng.random(count) < shares.truncated, rng.integers(1, _MOST_LOST + 1, count), 0)
    first = rng.integers(0, lost + 1)
    begin += np.where(whole, first, 0)
    end -= np.where(whole, lost - first, 0)
    flanks = [np.tile(np.frombuffer(f, np.uint8), (count, 1)) for f in (_LCO1490, _HCO2198)]
    letters = np.concatenate([flanks[0], nucleotides, flanks[1]], axis=1)
    begin, end = begin + len(_LCO1490), end + len(_LCO1490)
    for row in np.flatnonzero(rng.random(count) < shares.reversed):
        read = slice(begin[row], end[row])
        letters[row, read] = _COMPLEMENT[letters[row, read]][::-1]
    position = np.arange(letters.shape[1])
    kept = (position >= begin[:, None]) & (position < end[:, None])
    offsets = np.concatenate([[0], np.cumsum(end - begin)]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(letters[kept])]
    return pa.Array.from_buffers(pa.string(), count, buffers)
