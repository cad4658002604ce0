"""Barcodes on the grid as bits: two for the nucleotide, one for whether it is known.

A barcode takes 264 bytes, and comparing two takes a few dozen instructions.
"""

from __future__ import annotations

import numpy as np

SITES = 658
WORDS = -(-SITES // 64)
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


def shared(query: np.ndarray, references: np.ndarray, room: np.ndarray) -> np.ndarray:
    """(m,) float32: equal less different nucleotides of one query with m references.

    -inf without common sites. Many times quicker than `compare`, since every word of the references
    stands beside the same word of the next.

    Args:
        query: (3, words).
        references: (3, words, m).
        room: (2, words, m) uint64 that is written over; to find new room would take as long again.
    """
    used = np.flatnonzero(query[2])
    if not len(used):
        return np.full(references.shape[2], -np.inf, dtype=np.float32)
    words = slice(used[0], used[-1] + 1)
    (high, low, known), theirs = query[:, words, None], references[:, words]
    both, differ = room[:, words]
    np.bitwise_xor(theirs[0], high, out=differ)
    differ |= np.bitwise_xor(theirs[1], low, out=both)
    differ &= np.bitwise_and(theirs[2], known, out=both)
    common = np.bitwise_count(both).sum(axis=0, dtype=np.int16)
    differing = np.bitwise_count(differ).sum(axis=0, dtype=np.int16)
    scores = (common - 2 * differing).astype(np.float32)
    scores[common == 0] = -np.inf
    return scores


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
