"""Exact search of references: by cosine of vectors, or by the nucleotides that are shared."""

from __future__ import annotations

import numpy as np

from barcodemae.identification import bits
from barcodemae.identification.evidence import Candidates
from barcodemae.identification.vectors import unit

_QUERIES, _REFERENCES = 256, 16_384  # in a tile of similarities, 16 MiB
_PAIRS = 1 << 18  # pairs of barcodes whose sites are compared at a time


def nearest_by_cosine(
    queries: np.ndarray, references: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Places and cosines (n, count), falling, of references (m, k) for queries (n, k).

    Queries have length 1 or 0; references too, but for what half floats round off. Exact; by tiles,
    so that mapped references are read once for some hundred queries.
    """
    places = np.zeros((len(queries), 0), dtype=np.int64)
    cosines = np.zeros((len(queries), 0), dtype=np.float32)
    for first in range(0, len(references), _REFERENCES):
        tile = unit(np.asarray(references[first : first + _REFERENCES], dtype=np.float32)).T
        found = [
            highest(queries[start : start + _QUERIES] @ tile, count)
            for start in range(0, len(queries), _QUERIES)
        ]
        at, values = (np.concatenate(part) for part in zip(*found, strict=True))
        places = np.concatenate([places, at + first], axis=1)
        cosines = np.concatenate([cosines, values], axis=1)
        kept, cosines = highest(cosines, count)
        places = np.take_along_axis(places, kept, axis=1)
    order = np.argsort(-cosines, axis=1, kind="stable")
    return np.take_along_axis(places, order, 1), np.take_along_axis(cosines, order, 1)


def nearest_by_identity(queries: np.ndarray, references: np.ndarray, count: int) -> np.ndarray:
    """Places (n, count) of the references that share most with each query; -1 where too few do.

    Counted as equal less different nucleotides on the query's own sites, so a reference that lacks
    sites comes after one that has them; one without common sites does not count.
    """
    places = np.full((len(queries), count), -1, dtype=np.int64)
    step = max(1, _PAIRS // max(len(references), 1))
    for start in range(0, len(queries), step):
        piece = slice(start, start + step)
        scores = np.empty((len(queries[piece]), len(references)), dtype=np.float32)
        for first in range(0, len(references), _PAIRS):
            theirs = references[first : first + _PAIRS]
            scores[:, first : first + _PAIRS] = shared(queries[piece, None], theirs[None])
        at, values = highest(scores, count)
        places[piece] = np.where(np.isfinite(values), at, -1)
    return places


def highest(values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values (n, count) of the highest in each row, in no order."""
    if count < values.shape[1]:
        at = np.argpartition(values, -count, axis=1)[:, -count:]
    else:
        at = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return at, np.take_along_axis(values, at, axis=1)


def shared(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Equal less different nucleotides of pairs (..., 3, words); -inf without common sites."""
    equal, common = bits.compare(queries, references)
    return np.where(common > 0, 2 * equal - common, -np.inf).astype(np.float32)


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
