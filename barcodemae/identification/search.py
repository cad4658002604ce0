"""Exact search of references: by cosine of vectors, or by the nucleotides that are shared."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from barcodemae.identification import bits
from barcodemae.identification.evidence import Candidates
from barcodemae.identification.vectors import unit

_QUERIES, _REFERENCES = 256, 16_384  # in a tile of similarities, 16 MiB
_FAISS_FROM = 100_000  # references; below, its import takes longer than it spares
_OF_FAISS = 65_536  # references in a tile: each tile costs every query the search for its best
_SCORES = 1 << 23  # pairs of barcodes whose scores are held at a time, 32 MiB


def nearest_by_cosine(
    queries: np.ndarray, references: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Places and cosines (n, count), falling, of references (m, k) for queries (n, k).

    Queries have length 1 or 0; references too, but for what half floats round off. Exact; by tiles,
    so that mapped references are read once for all queries. Beyond `_FAISS_FROM` references FAISS
    searches the tiles, where it is installed, in two thirds of the time.
    """
    knn = _faiss_knn() if len(references) >= _FAISS_FROM else None
    places = np.zeros((len(queries), count), dtype=np.int64)
    cosines = np.full((len(queries), count), -np.inf, dtype=np.float32)
    size = _REFERENCES if knn is None else _OF_FAISS
    for first in range(0, len(references), size):
        tile = unit(np.asarray(references[first : first + size], dtype=np.float32))
        if knn is not None:
            found, at = knn(queries, tile, min(count, len(tile)))
            _join(places, cosines, at + first, found)
            continue
        tile = tile.T
        for start in range(0, len(queries), _QUERIES):
            piece = slice(start, start + _QUERIES)
            _keep_higher(places[piece], cosines[piece], queries[piece] @ tile, first)
    order = np.argsort(-cosines, axis=1, kind="stable")
    return np.take_along_axis(places, order, 1), np.take_along_axis(cosines, order, 1)


def _keep_higher(places: np.ndarray, cosines: np.ndarray, found: np.ndarray, first: int) -> None:
    """Put those of the cosines found (n, tile) that are higher in place of the lowest (in place).

    After the first tile few are: looking for them costs a comparison each, sorting all much more.
    """
    lowest = cosines.min(axis=1, keepdims=True)
    if np.isneginf(lowest).any():  # the first tile
        columns, values = highest(found, min(cosines.shape[1], found.shape[1]))
        at = columns + first
    else:
        rows, columns = np.nonzero(found > lowest)
        if not len(rows):
            return
        many = np.bincount(rows, minlength=len(found))
        at = np.zeros((len(found), many.max()), dtype=np.int64)
        values = np.full(at.shape, -np.inf, dtype=np.float32)
        slots = np.arange(len(rows)) - np.repeat(np.cumsum(many) - many, many)
        at[rows, slots], values[rows, slots] = columns + first, found[rows, columns]
    _join(places, cosines, at, values)


def _join(places: np.ndarray, cosines: np.ndarray, at: np.ndarray, values: np.ndarray) -> None:
    """Keep the highest of cosines and values, with their places (in place)."""
    count = cosines.shape[1]
    joined = np.concatenate([places, at], axis=1)
    kept, cosines[:] = highest(np.concatenate([cosines, values], axis=1), count)
    places[:] = np.take_along_axis(joined, kept, axis=1)


def _faiss_knn() -> Callable | None:
    """FAISS's search without an index, by inner products; None where it is not installed."""
    try:
        import faiss
    except ImportError:
        return None
    return partial(faiss.knn, metric=faiss.METRIC_INNER_PRODUCT)


def nearest_by_identity(queries: np.ndarray, references: np.ndarray, count: int) -> np.ndarray:
    """Places (n, count) of the references that share most with each query; -1 where too few do.

    Counted as equal less different nucleotides on the query's own sites, so a reference that lacks
    sites comes after one that has them; one without common sites does not count.
    """
    places = np.full((len(queries), count), -1, dtype=np.int64)
    step = max(1, _SCORES // max(len(references), 1))
    for start in range(0, len(queries), step):
        piece = slice(start, start + step)
        at, values = highest(shared(queries[piece], references), count)
        places[piece] = np.where(np.isfinite(values), at, -1)
    return places


def highest(values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values (n, count) of the highest in each row, in no order; of one, the first."""
    if count == 1:
        at = values.argmax(axis=1)[:, None]
    elif count < values.shape[1]:
        at = np.argpartition(values, -count, axis=1)[:, -count:]
    else:
        at = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return at, np.take_along_axis(values, at, axis=1)


def shared(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """(n, m) equal less different nucleotides of n queries with m references, (..., 3, words).

    -inf without common sites.
    """
    scores = np.empty((len(queries), len(references)), dtype=np.float32)
    for first in range(0, len(references), _REFERENCES):
        columns = slice(first, first + _REFERENCES)
        by_word = np.ascontiguousarray(references[columns].transpose(1, 2, 0))
        for row, query in enumerate(queries):
            scores[row, columns] = bits.shared(query, by_word)
    return scores


def compared(
    planes: np.ndarray, references: np.ndarray, places: np.ndarray, similarities: np.ndarray
) -> Candidates:
    """Candidates, nearest first: references at places (n, k) with similarities (n, k).

    A place of -1 is none. What compares by no common site has similarity and identity 0.
    """
    similarities = np.where(places < 0, -np.inf, similarities).astype(np.float32)
    order = np.argsort(-similarities, axis=1, kind="stable")
    places, similarities = (
        np.take_along_axis(array, order, axis=1) for array in (places, similarities)
    )
    equal, common = bits.compare_at(planes, references, places)
    return Candidates(places, similarities, equal / np.maximum(common, 1, dtype=np.float32), common)
