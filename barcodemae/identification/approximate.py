"""An approximate index of a library's vectors, by FAISS: for libraries of millions of references.

The exact search reads every vector for every query. The index keeps the vectors in lists around
centres and reads the lists nearest to a query; how many, is chosen when it is built, by the recall
that is measured then and told wherever the index is used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from barcodemae.errors import BarcodeMAEError, first_line
from barcodemae.identification.cosine import CosineSearch
from barcodemae.identification.vectors import unit
from barcodemae.outputs import write_whole

FILE = "index.faiss"
RECALL = 0.99  # wanted: of the ten nearest of a vector, those that are found
_NEAREST = 10
_TRIED = 512  # vectors of the library by which the recall is measured
_TO_TRAIN = 64  # vectors for each centre; FAISS asks for 39
_ADDED_AT_ONCE = 65_536


def build(vectors: np.ndarray, path: Path, say: Callable[[str], object] = print) -> dict:
    """Write the index of vectors (n, k) and return what the library's card says of it.

    "lists", "probes": how many there are, and are read for a query; "recall": the share of the ten
    nearest of a vector of the library, itself left out, that is found.

    Raises:
        BarcodeMAEError: FAISS is not installed, or the vectors are too few for an index.
    """
    faiss = _faiss()
    count, size = vectors.shape
    lists = min(int(4 * count**0.5), count // 39)
    if lists < 2:
        raise BarcodeMAEError(
            f"{count:,} references are too few for an index; their exact search takes no time"
        )
    rng = np.random.default_rng(0)
    index = faiss.index_factory(size, f"IVF{lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
    chosen = np.sort(rng.choice(count, min(count, _TO_TRAIN * lists), replace=False))
    say(f"finding {lists:,} centres among {len(chosen):,} vectors")
    index.train(_read(vectors, chosen))
    for start in range(0, count, _ADDED_AT_ONCE):
        index.add(unit(np.asarray(vectors[start : start + _ADDED_AT_ONCE], dtype=np.float32)))
    tried = np.sort(rng.choice(count, min(count, _TRIED), replace=False))
    say(f"comparing with the exact search by {len(tried):,} vectors")
    probes, recall = _enough_probes(index, vectors, tried, lists)
    write_whole(path, lambda at: faiss.write_index(index, str(at)))
    return {"lists": lists, "probes": probes, "recall": round(recall, 4)}


def _enough_probes(index, vectors: np.ndarray, tried: np.ndarray, lists: int) -> tuple[int, float]:
    """The fewest probes, a power of two, whose recall is enough; and that recall."""
    queries = _read(vectors, tried)
    count = min(_NEAREST + 1, len(vectors))
    exact = CosineSearch(vectors).nearest(queries, count)[0]
    probes = 1
    while True:
        index.nprobe = probes
        found = index.search(queries, count)[1]
        recall = _recall(exact, found, tried)
        if recall >= RECALL or probes >= lists:
            return probes, recall
        probes = min(2 * probes, lists)


def _recall(exact: np.ndarray, found: np.ndarray, own: np.ndarray) -> float:
    """Share of the exact neighbours (n, k) that were found, the vectors themselves left out."""
    wanted = exact != own[:, None]
    hit = (exact[:, :, None] == found[:, None, :]).any(axis=2)
    return float(hit[wanted].mean())


class Index:
    """An index that `build` wrote; its lists are mapped, not read.

    Args:
        path: of the file.
        told: what the card says of it.

    Raises:
        BarcodeMAEError: FAISS is not installed, or the file is damaged.
    """

    def __init__(self, path: Path, told: dict[str, Any]):
        faiss = _faiss()
        try:
            self._index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        except RuntimeError as error:
            raise BarcodeMAEError(
                f"{path}: the index is damaged ({first_line(error)}); run "
                "`barcodemae library index` again"
            ) from error
        self._index.nprobe = told["probes"]

    def nearest(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Places and cosines (n, count), falling; -1 and -inf where the lists hold fewer."""
        cosines, places = self._index.search(np.ascontiguousarray(queries, np.float32), count)
        return places, np.where(places < 0, -np.inf, cosines).astype(np.float32)


def sentence(told: dict[str, Any]) -> str:
    """What a user should know of an index."""
    return (
        f"approximate search: {told['probes']:,} of {told['lists']:,} lists, "
        f"{told['recall']:.1%} of the ten nearest are found"
    )


def _read(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return unit(np.asarray(vectors[rows], dtype=np.float32))


def _faiss():
    try:
        import faiss
    except ImportError as error:
        raise BarcodeMAEError(
            "the approximate search needs FAISS: pip install 'barcodemae[faiss]'"
        ) from error
    return faiss
