"""Exact search of references by cosine, without multiplying what cannot be near.

The leading directions of the references hold most of a vector's length. With what is left of either
vector they bound a cosine from above (Cauchy-Schwarz), for an eighth of the work at 256 numbers.
References that are alike stand side by side in blocks; a block whose highest bound stays below the
cosines that a query already has is left out.
"""

from __future__ import annotations

import numpy as np

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.search import nearest_first
from barcodemae.identification.vectors import unit

_LEADING = 31  # directions; with what is left 32 numbers
_BLOCK = 256  # references
_CENTRES, _GROUPS = 512, 16  # by which references are put in order
_SAMPLE = 4096  # references by which the directions are found
_FIRST = 4  # blocks with the highest bounds, which are searched first
_QUERIES = 4096  # in a tile of bounds, 4 MiB
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

    # _order: (m,) places, alike ones side by side; _sides: (m, directions + 1), in that order, what
    # is multiplied for the bounds.

    def __init__(self, vectors: np.ndarray):
        self.vectors = vectors
        sample = np.nan_to_num(self._read(slice(None, None, -(-len(vectors) // _SAMPLE))))
        _, directions = np.linalg.eigh(sample.T @ sample)
        self._directions = directions[:, : -_LEADING - 1 : -1]
        centres = unit(self._leading(sample)[:: -(-len(sample) // _CENTRES), :-1])
        leading, nearest = [], []
        for start in range(0, len(vectors), _READ):
            leading.append(self._leading(self._read(slice(start, start + _READ))))
            nearest.append((leading[-1][:, :-1] @ centres.T).argmax(axis=1))
        groups = (centres @ centres[:: _CENTRES // _GROUPS].T).argmax(axis=1)
        rank = np.argsort(np.argsort(groups, kind="stable"))  # alike centres side by side
        self._order = np.argsort(rank[np.concatenate(nearest)], kind="stable")
        self._sides = np.concatenate(leading)[self._order]
        if not np.isfinite(self._sides).all():
            raise BarcodeMAEError(
                "the library holds vectors that are not finite; build it again, or copy it whole"
            )

    def _read(self, places) -> np.ndarray:
        return unit(np.asarray(self.vectors[places], dtype=np.float32))

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
        bounds = self._highest_bounds(queries)
        found = _Found(self._reached(queries, bounds, count) - _SLACK, count)
        for block, highest in enumerate(bounds):
            rows = np.flatnonzero(highest >= found.lowest)
            places, cosines = self._multiplied(queries[rows], block)
            row, column = np.nonzero(cosines >= found.lowest[rows, None])
            found.add(rows[row], places[column], cosines[row, column])
        return found.nearest()

    def _reached(self, queries: np.ndarray, bounds: np.ndarray, count: int) -> np.ndarray:
        """(n,) the cosine that `count` references of the blocks with the highest bounds reach."""
        few = min(max(_FIRST, count // _BLOCK + 2), len(bounds))
        chosen = np.argpartition(-bounds.T, few - 1, axis=1)[:, :few]
        found = np.full((len(queries), few, _BLOCK), -np.inf, dtype=np.float32)
        for block in np.unique(chosen).tolist():
            rows, slots = np.nonzero(chosen == block)
            places, cosines = self._multiplied(queries[rows], block)
            found[rows, slots, : len(places)] = cosines
        return np.partition(found.reshape(len(found), -1), -count, axis=1)[:, -count]

    def _multiplied(self, queries: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
        """The places of a block's references, and their cosines (n, places)."""
        places = self._order[block * _BLOCK : (block + 1) * _BLOCK]
        return places, queries @ self._read(places).T

    def _highest_bounds(self, queries: np.ndarray) -> np.ndarray:
        """(blocks, n) no less than the cosine with any reference of a block."""
        sides = self._leading(queries).T
        highest = np.empty((-(-len(self._order) // _BLOCK), len(queries)), dtype=np.float32)
        for start in range(0, len(queries), _QUERIES):
            some = slice(start, start + _QUERIES)
            for block, row in enumerate(highest):
                theirs = self._sides[block * _BLOCK : (block + 1) * _BLOCK]
                row[some] = (theirs @ sides[:, some]).max(axis=0)
        return highest


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
