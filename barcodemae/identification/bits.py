"""Barcodes on the grid as bits: two for the nucleotide, one for whether it is known.

A barcode takes 264 bytes, and comparing two takes a few dozen instructions.
"""

from __future__ import annotations

import numpy as np

SITES = 658
WORDS = -(-SITES // 64)
NONE = -SITES - 1  # shared by barcodes without common sites: less than by any with some
_PLANES = 3  # high bit of the code, low bit, known
_WORDS_AT_ONCE = 1 << 16  # of pairs; more fall out of the processor's cache


def pack(codes: np.ndarray) -> np.ndarray:
    """(n, 3, WORDS) uint64 from codes (n, SITES): 0 to 3 = A, C, G, T, 4 = unknown."""
    known = codes < 4
    planes = np.stack([(codes >> 1 & 1) & known, (codes & 1) & known, known], axis=1)
    packed = np.zeros((len(codes), _PLANES, WORDS * 8), dtype=np.uint8)
    packed[:, :, : -(-SITES // 8)] = np.packbits(planes.astype(bool), axis=2)
    return packed.view(np.uint64)


def unpack(planes: np.ndarray) -> np.ndarray:
    """The codes (n, SITES) uint8 that `pack` was given."""
    raw = np.ascontiguousarray(planes).view(np.uint8)
    high, low, known = np.moveaxis(np.unpackbits(raw, axis=2, count=SITES), 1, 0)
    return np.where(known == 1, 2 * high + low, 4).astype(np.uint8)


def masked(planes: np.ndarray, window: np.ndarray) -> np.ndarray:
    """The same with all sites outside a window (SITES,) bool unknown."""
    mask = pack(np.where(window, 3, 4).astype(np.uint8)[None])
    return planes & mask[:, 2:]


def compare(queries: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Equal nucleotides and common sites of pairs: both (...,) int32 from (..., 3, WORDS)."""
    known = queries[..., 2, :] & references[..., 2, :]
    differ = queries[..., 0, :] ^ references[..., 0, :]
    differ |= queries[..., 1, :] ^ references[..., 1, :]
    return _ones(known & ~differ), _ones(known)


def _ones(words: np.ndarray) -> np.ndarray:
    """(...,) int32, the bits that are set in words (..., words)."""
    counts = np.bitwise_count(words).astype(np.float32)
    return (counts @ np.ones(counts.shape[-1], np.float32)).astype(np.int32)  # quicker than a sum


class Tile:
    """References of which every word stands beside the same word of the next.

    So they are compared with a barcode many times quicker than by `compare`.

    Args:
        references: (m, 3, words).
    """

    def __init__(self, references: np.ndarray):
        self._planes = np.ascontiguousarray(references.transpose(1, 2, 0))
        # What is written over: to find new room would take as long again.
        self._both, *self._differ = np.empty_like(self._planes)
        self._common = np.zeros(len(references), dtype=np.int16)
        self._words = slice(0)

    def look_at(self, known: np.ndarray) -> None:
        """Compare with barcodes of these known sites (words,) from now on."""
        used = np.flatnonzero(known)
        self._words = words = slice(used[0], used[-1] + 1) if len(used) else slice(0)
        both = np.bitwise_and(self._planes[2, words], known[words, None], out=self._both[words])
        self._common = np.bitwise_count(both).sum(axis=0, dtype=np.int16)
        self._common[self._common == 0] = NONE

    def shared(self, query: np.ndarray, scores: np.ndarray) -> None:
        """Write down the equal less the different nucleotides with a barcode (3, words), or `NONE`.

        Args:
            scores: (m,) int16.
        """
        words = self._words
        (high, low, _), (differ, other) = query[:, words, None], (x[words] for x in self._differ)
        np.bitwise_xor(self._planes[0, words], high, out=differ)
        differ |= np.bitwise_xor(self._planes[1, words], low, out=other)
        differ &= self._both[words]
        np.bitwise_count(differ).sum(axis=0, dtype=np.int16, out=scores)
        scores *= -2
        scores += self._common


def compare_at(
    queries: np.ndarray, references: np.ndarray, places: np.ndarray, words: slice = slice(None)
) -> tuple[np.ndarray, np.ndarray]:
    """Equal nucleotides and common sites (n, k) of n queries with references[places] (n, k).

    A place of -1 has neither. Counted are those of some words alone, if they are given.
    """
    equal, common = np.zeros((2, *places.shape), dtype=np.int32)
    step = max(1, _WORDS_AT_ONCE // max(places.shape[1], 1) // WORDS)
    whole = references.reshape(len(references), -1)  # of one piece each, which are quick to take
    for start in range(0, len(queries), step):
        piece = slice(start, start + step)
        theirs = whole.take(np.maximum(places[piece], 0), axis=0)
        theirs = theirs.reshape(*places[piece].shape, *references.shape[1:])
        equal[piece], common[piece] = compare(queries[piece, None, :, words], theirs[..., words])
    equal[places < 0] = common[places < 0] = 0
    return equal, common
