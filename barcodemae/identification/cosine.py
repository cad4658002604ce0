"""Exact search of references by cosine, without multiplying what cannot be near.

The leading directions of the references hold most of a vector's length. With what is left of either
vector they bound a cosine from above (Cauchy-Schwarz), for an eighth of the work at 256 numbers.
References that are alike stand side by side in blocks. Two bounds may leave a block out, as soon as
they stay below the cosines that a query already has: that by the lowest and highest numbers in the
block, which costs next to nothing, and the highest bound of a reference in it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.search import nearest_first
from barcodemae.identification.vectors import unit, widened

_LEADING = 31  # directions; with what is left 32 numbers
_BLOCK = 256  # references
_SAMPLE = 4096  # references by which the directions are found
_SPLIT = 512  # of those that are halved, by which the direction is found
_TURNS = 8  # products that turn a direction towards the one in which most differs
_FIRST = 4  # blocks that are searched first, by their means
_QUERIES = 512  # multiplied with a block at a time; more fall out of the processor's cache
_READ = 4096  # references read at a time
_SLACK = 1e-5  # of bounds and cosines, for what 32 bits round off
_HELD = 4  # times as many found references as are wanted, before all but the nearest are dropped


class CosineSearch:
    """The nearest of m references.

    Args:
        vectors: (m, k) of length 1 but for what half floats round off; may be mapped, and stay so.

    Raises:
        BarcodeMAEError: one is not finite.
    """

    # Of each block the places (references,) and sides (references, directions + 1), what is
    # multiplied for the bounds. _means (blocks, directions) have length 1, _lowest and _highest are
    # (blocks, directions + 1).

    def __init__(self, vectors: np.ndarray):
        self.vectors = vectors
        sample = np.nan_to_num(self._read(slice(None, None, -(-len(vectors) // _SAMPLE))))
        _, directions = np.linalg.eigh(sample.T @ sample)
        self._directions = directions[:, : -_LEADING - 1 : -1]
        starts = range(0, len(vectors), _READ)
        sides = np.concatenate([self._leading(self._read(slice(s, s + _READ))) for s in starts])
        if not np.isfinite(sides).all():
            raise BarcodeMAEError(
                "the library holds vectors that are not finite; build it again, or copy it whole"
            )
        self._places = list(_blocks(sides[:, :-1]))
        self._sides = [sides[places] for places in self._places]
        self._lowest = np.stack([block.min(axis=0) for block in self._sides])
        self._highest = np.stack([block.max(axis=0) for block in self._sides])
        self._means = unit(np.stack([block[:, :-1].mean(axis=0) for block in self._sides]))

    def _read(self, places) -> np.ndarray:
        return unit(widened(self.vectors[places]))

    def _leading(self, vectors: np.ndarray) -> np.ndarray:
        """(n, directions + 1): along the leading directions, and no less than what is left."""
        leading = vectors @ self._directions
        left = np.einsum("nk,nk->n", vectors, vectors) - np.einsum("nk,nk->n", leading, leading)
        return np.column_stack([leading, np.sqrt(np.maximum(left, 0) + _SLACK)])

    def nearest(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Places and cosines (n, count <= m), falling, for queries (n, k) of length 1 or 0.

        Of references that are equally near those at the lower places come first.
        """
        queries = np.nan_to_num(queries)  # a vector that is not finite is near to nothing
        sides = self._leading(queries)
        bounds = self._highest @ np.maximum(sides, 0).T + self._lowest @ np.minimum(sides, 0).T
        found = _Found(self._reached(queries, sides, count) - _SLACK, count)
        for places, theirs, bound in zip(self._places, self._sides, bounds, strict=True):
            left = [
                rows[(theirs @ sides.take(rows, axis=0).T).max(axis=0) >= found.lowest[rows]]
                for rows in _pieces(np.flatnonzero(bound >= found.lowest))
            ]
            if not any(map(len, left)):
                continue
            vectors = self._read(places).T
            for rows in _pieces(np.concatenate(left)):
                cosines = queries.take(rows, axis=0) @ vectors  # quicker than queries[rows]
                # Of one dimension: with two, `nonzero` takes ten times as long.
                near = np.flatnonzero(cosines >= found.lowest[rows, None])
                row, column = np.divmod(near, len(places))
                found.add(rows[row], places[column], cosines.ravel()[near])
        return found.nearest()

    def _reached(self, queries: np.ndarray, sides: np.ndarray, count: int) -> np.ndarray:
        """(n,) the cosine that `count` references of the most promising blocks reach."""
        few = min(max(_FIRST, count // _BLOCK + 2), len(self._places))
        promising = sides[:, :-1] @ self._means.T
        slots = np.empty((few, len(queries)), dtype=np.int64)
        for slot in slots:  # quicker than a partition of so few
            promising.argmax(axis=1, out=slot)
            np.put_along_axis(promising, slot[:, None], -np.inf, axis=1)
        chosen = slots.T.ravel()
        found = np.full((len(chosen), _BLOCK), -np.inf, dtype=np.float32)
        order = np.argsort(chosen, kind="stable")
        ends = np.cumsum(np.bincount(chosen, minlength=len(self._places)))
        for places, at in zip(self._places, np.split(order, ends[:-1]), strict=True):
            if len(at):
                found[at, : len(places)] = queries[at // few] @ self._read(places).T
        cosines = found.reshape(len(queries), -1)
        cosines.partition(-count, axis=1)
        return cosines[:, -count].copy()


def _pieces(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), _QUERIES):
        yield rows[start : start + _QUERIES]


def _blocks(vectors: np.ndarray) -> Iterator[np.ndarray]:
    """Places of vectors (m, k) that are alike, `_BLOCK` at a time, the last ones fewer.

    They are halved over and over, along the direction in which they differ most.
    """
    waiting = [np.arange(len(vectors))]
    while waiting:
        places = waiting.pop()
        if len(places) <= _BLOCK:
            yield places
            continue
        mine = vectors[places]
        some = mine[:: -(-len(mine) // _SPLIT)]
        some = some - some.mean(axis=0)
        scatter = some.T @ some
        direction = scatter[scatter.diagonal().argmax()]
        for _ in range(_TURNS):
            direction = scatter @ direction
            direction /= max(np.abs(direction).max(), np.finfo(np.float32).tiny)
        half = -(-len(mine) // (2 * _BLOCK)) * _BLOCK
        order = np.argpartition(mine @ direction, half)
        waiting += [places[order[half:]], places[order[:half]]]


class _Found:
    """Pairs of queries and references, of which the `count` nearest of each query are wanted.

    Attributes:
        lowest: (n,) the cosine from which on a pair may be one of them.
    """

    def __init__(self, lowest: np.ndarray, count: int):
        self.lowest = lowest
        self._count = count
        self._parts: list[tuple[np.ndarray, ...]] = []
        self._held = 0

    def add(self, *part: np.ndarray) -> None:
        """Rows, places and cosines (pairs,)."""
        self._parts.append(part)
        self._held += len(part[0])
        if self._held > _HELD * self._count * len(self.lowest):
            rows, _, cosines = self._parts[0] = self._nearest()
            del self._parts[1:]
            self._held = len(rows)
            last = np.flatnonzero(np.diff(rows, append=-1) != 0)
            last = last[np.bincount(rows)[rows[last]] == self._count]
            self.lowest[rows[last]] = np.maximum(self.lowest[rows[last]], cosines[last] - _SLACK)

    def nearest(self) -> tuple[np.ndarray, np.ndarray]:
        _, places, cosines = self._nearest()
        return places.reshape(-1, self._count), cosines.reshape(-1, self._count)

    def _nearest(self) -> tuple[np.ndarray, ...]:
        rows, places, cosines = map(np.concatenate, zip(*self._parts, strict=True))
        order = nearest_first(rows, places, cosines)
        many = np.bincount(rows)
        rank = np.arange(len(rows)) - np.repeat(np.cumsum(many) - many, many)
        order = order[rank < self._count]
        return rows[order], places[order], cosines[order]
