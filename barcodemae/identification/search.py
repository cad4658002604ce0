"""Exact search of references by the nucleotides that are shared, and candidates from any search."""

from __future__ import annotations

import numpy as np

from barcodemae.identification import bits
from barcodemae.identification.evidence import Candidates

_REFERENCES = 16_384  # in a tile, of which every word stands beside the same of the next
_GROUP = 64  # scores, of which the highest tells what to leave out
_TIE = 1e-6  # cosines no further apart are equal: what 32 bits round off decides nothing
_SCORES = 1 << 25  # pairs of barcodes whose scores are held at a time, 64 MiB


def nearest_by_identity(queries: np.ndarray, references: np.ndarray, count: int) -> np.ndarray:
    """Places (n, count) of the references that share most with each query; -1 where too few do.

    Counted as equal less different nucleotides on the query's own sites, so a reference that lacks
    sites comes after one that has them; one without common sites does not count. Of those that
    share as much the ones at the lowest places are taken.
    """
    places = np.full((len(queries), count), -1, dtype=np.int64)
    step = max(1, _SCORES // max(len(references), 1))
    for start in range(0, len(queries), step):
        for row, scores in enumerate(shared(queries[start : start + step], references), start):
            at = scores.argmax()[None] if count == 1 else _highest(scores, count)
            places[row, : len(at)] = np.where(scores[at] > bits.NONE, at, -1)
    return places


def _highest(scores: np.ndarray, count: int) -> np.ndarray:
    """Places of the highest scores (m,), falling; of equal ones the lowest places."""
    groups, at = len(scores) // _GROUP, np.arange(len(scores))
    if groups > count:  # as many scores are no lower than the lowest of the highest maxima
        maxima = scores[: groups * _GROUP].reshape(_GROUP, groups).max(axis=0)
        at = np.flatnonzero(scores >= np.partition(maxima, -count)[-count])
    return at[np.argsort(-scores[at], kind="stable")[:count]]


def shared(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """(n, m) int16: equal less different nucleotides of n queries with m references.

    Both are (..., 3, words). `bits.NONE` without common sites.
    """
    scores = np.empty((len(queries), len(references)), dtype=np.int16)
    known, alike = np.unique(queries[:, 2], axis=0, return_inverse=True)
    for first in range(0, len(references), _REFERENCES):
        columns = slice(first, first + _REFERENCES)
        tile = bits.Tile(references[columns])
        for number, sites in enumerate(known):
            tile.look_at(sites)
            for row in np.flatnonzero(alike == number):
                tile.shared(queries[row], scores[row, columns])
    return scores


def nearest_first(rows: np.ndarray, places: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    """The order of pairs (n,) by row, then by cosine, falling; of equal ones by place.

    So it depends on nothing that is searched beside.
    """
    # Whole numbers of 64 bits are sorted many times quicker than by several keys.
    falling = np.rint((2 - np.maximum(cosines, -2, dtype=float)) * (1 << 29)).astype(np.int64)
    order = np.argsort(rows << 32 | falling)
    apart = (np.diff(falling[order]) > _TIE * (1 << 29)) | (np.diff(rows[order]) > 0)
    ties = np.concatenate([[0], np.cumsum(apart)])
    tied = np.flatnonzero(~(np.append(True, apart) & np.append(apart, True)))
    equal = order[tied]
    order[tied] = equal[np.argsort(ties[tied] << 32 | (places[equal] + 1))]
    return order


def in_order(places: np.ndarray, similarities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """References at places (n, k) and their similarities, nearest first.

    A place of -1 is none: its similarity becomes -inf.
    """
    similarities = np.where(places < 0, -np.inf, similarities).astype(np.float32)
    rows = np.repeat(np.arange(len(places)), places.shape[1])
    order = nearest_first(rows, places.ravel(), similarities.ravel()).reshape(places.shape)
    return places.ravel()[order], similarities.ravel()[order]


def compared(
    planes: np.ndarray, references: np.ndarray, places: np.ndarray, similarities: np.ndarray
) -> Candidates:
    """Candidates: references at places (n, k) with similarities (n, k), which are in order.

    What compares by no common site has identity 0.
    """
    equal, common = bits.compare_at(planes, references, places)
    return Candidates(places, similarities, equal / np.maximum(common, 1, dtype=np.float32), common)
