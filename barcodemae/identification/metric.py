"""A linear map under which barcodes of one genus lie together, learned from labels.

Species of a genus differ along some directions of the vectors more than along others. The scatter
within genera says which; dividing by it (with a ridge) and keeping the directions along which
barcodes differ most after that brings a species never seen nearer to its genus. What it takes are
sums over barcodes and the means of genera, so those of a library are pooled with the ones that come
with the package: a small library cannot estimate them alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from barcodemae.errors import BarcodeMAEError

SIZE = 256  # directions kept
RIDGE = 0.3  # in units of the mean variance within genera
SHIPPED = Path(__file__).with_name("sites_scatter.safetensors")
_AT_ONCE = 4096  # vectors whose products are summed at a time
_COMPONENTS = 384  # of the genera's means, as they are stored
_TENSORS = ("within", "components", "scale", "scores", "counts")
_LEVELS = 127  # of an 8-bit integer, on either side of 0
_FAMILIAR = 0.5  # share of a library's genera among those of the package: it is for such
_MOST_JUDGED = 20_000  # barcodes by which it is judged whether the package's labels help
_FEWEST_TRIED = 50  # of them, left out and named


@dataclass
class Scatter:
    """Sums over labelled, centred vectors, from which a metric follows; two can be added.

    Attributes:
        within: (d, d) sum of outer products of the deviations from the genus's mean.
        genera: (g,) names, sorted.
        counts: (g,) vectors of each genus.
        means: (g, d) of each genus.
    """

    within: np.ndarray
    genera: np.ndarray
    counts: np.ndarray
    means: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, labels: np.ndarray) -> Scatter:
        """The sums over vectors (n, d) with labels (n,); those labelled "" do not count."""
        known = np.flatnonzero(np.asarray(labels) != "")
        genera, codes = np.unique(np.asarray(labels, dtype=str)[known], return_inverse=True)
        order = np.argsort(codes, kind="stable")
        rows, codes = known[order], codes[order]
        counts = np.bincount(codes, minlength=len(genera))
        dimensions = vectors.shape[1]
        within = np.zeros((dimensions, dimensions), dtype=np.float32)
        means = np.zeros((len(genera), dimensions), dtype=np.float32)
        ends = np.cumsum(counts)
        first = 0
        while first < len(genera):  # some thousand vectors of whole genera at a time
            begin = ends[first] - counts[first]
            last = max(int(np.searchsorted(ends, begin + _AT_ONCE, "right")), first + 1)
            piece = np.asarray(vectors[rows[begin : ends[last - 1]]], dtype=np.float32)
            starts = ends[first:last] - counts[first:last] - begin
            means[first:last] = np.add.reduceat(piece, starts) / counts[first:last, None]
            deviations = piece - np.repeat(means[first:last], counts[first:last], axis=0)
            within += deviations.T @ deviations
            first = last
        return cls(within, genera, counts.astype(float), means)

    @property
    def freedom(self) -> float:
        """Vectors in genera of two or more, less those genera."""
        return float((self.counts - 1).clip(min=0).sum())

    def __add__(self, other: Scatter) -> Scatter:
        """The sums over the vectors of both; a genus of both has one mean."""
        genera = np.union1d(self.genera, other.genera)
        counts = np.zeros((2, len(genera)))
        means = np.zeros((2, len(genera), self.means.shape[1]), dtype=np.float32)
        for side, each in enumerate((self, other)):
            at = np.searchsorted(genera, each.genera)
            counts[side, at], means[side, at] = each.counts, each.means
        total = counts.sum(axis=0)
        # Where a genus has two means, the distance between them is scatter within it.
        shared = np.flatnonzero(counts.all(axis=0))
        weight = np.sqrt(counts[:, shared].prod(axis=0) / total[shared])
        apart = (weight[:, None] * (means[0, shared] - means[1, shared])).astype(np.float32)
        pooled = (counts[:, :, None] * means).sum(axis=0) / total[:, None]
        within = self.within + other.within + apart.T @ apart
        return Scatter(within, genera, total, pooled.astype(np.float32))

    def directions(self, size: int = SIZE, ridge: float = RIDGE) -> np.ndarray:
        """(d, size) the linear map: whitened within genera, then the leading directions.

        Raises:
            BarcodeMAEError: no genus has two barcodes, so nothing can be learned.
        """
        from scipy import linalg  # takes half a second to import, which `identify` does not need

        if self.freedom < 1:
            raise BarcodeMAEError(
                "the metric needs genera with at least two barcodes each; this library has none. "
                "Give a larger library, or --inference centre"
            )
        dimensions = len(self.within)
        size = min(size, dimensions)
        weighted = np.sqrt(self.counts)[:, None].astype(np.float32) * self.means
        total = self.within + weighted.T @ weighted
        within = np.asarray(self.within, dtype=np.float64) / self.freedom
        variance = max(np.trace(within) / dimensions, np.finfo(np.float32).tiny)
        within[np.diag_indices(dimensions)] += ridge * variance
        _, vectors = linalg.eigh(
            total / self.counts.sum(),
            within,
            subset_by_index=(dimensions - size, dimensions - 1),
            check_finite=False,
        )
        return np.ascontiguousarray(vectors[:, ::-1], dtype=np.float32)


def pooling_helps(
    vectors: np.ndarray, genera: np.ndarray, species: np.ndarray, other: Scatter
) -> bool:
    """Whether the metric is the better for sums of other barcodes beside the labels at hand.

    It is taken to be so where `other` knows half of the genera. What was learned from other phyla
    can cost more than it is worth: there a third of the species is left out, and named by both.

    Args:
        vectors: (n, d) of `sites`.
        genera: (n,) names, "" where missing.
        species: (n,) numbers, below 0 where missing.
        other: what would be pooled.
    """
    # Takes half a second to import, and `identify` reads this module.
    from barcodemae.identification.neighbours import nearest

    if np.isin(np.unique(genera), other.genera).mean() >= _FAMILIAR:
        return True
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(vectors))[:_MOST_JUDGED]
    vectors, genera, species = vectors[rows], genera[rows], species[rows]
    left_out = (rng.random(species.max(initial=0) + 1) < 1 / 3)[species] & (species >= 0)
    known = genera[~left_out]
    own = Scatter.of(vectors[~left_out], known)
    queries = np.flatnonzero(left_out & np.isin(genera, own.genera))
    if len(queries) < _FEWEST_TRIED or own.freedom < 1:
        return True
    _, which, counts = np.unique(species[queries], return_inverse=True, return_counts=True)
    right = []
    for scatter in (own + other, own):
        mapped = vectors @ scatter.directions()
        named = known[nearest(mapped[~left_out], mapped[queries])[1][:, 0]]
        right.append(((named == genera[queries]) / counts[which]).sum())
    return right[0] >= right[1]  # each species counts alike


def save_scatter(scatter: Scatter, path: Path) -> None:
    """Write it in less than 8 MB: half floats, one triangle, means by their main components."""
    upper = np.triu_indices(len(scatter.within))
    _, _, components = np.linalg.svd(scatter.means, full_matrices=False)
    components = components[:_COMPONENTS].astype(np.float16)
    scores = scatter.means @ components.T.astype(np.float32)
    scale = abs(scores).max(axis=0) / _LEVELS
    tensors = {
        "within": (scatter.within / scatter.freedom)[upper].astype(np.float16),
        "components": components,
        "scale": scale,
        "scores": np.round(scores / scale).astype(np.int8),
        "counts": scatter.counts,
    }
    save_file(tensors, path, {"genera": json.dumps(scatter.genera.tolist())})


@cache
def shipped_scatter() -> Scatter:
    """That of `sites`, from public COI barcodes of all phyla with a genus."""
    with safe_open(SHIPPED, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in _TENSORS}
        genera = np.array(json.loads(file.metadata()["genera"]))
    means = (tensors["scores"] * tensors["scale"]) @ tensors["components"].astype(np.float32)
    size = means.shape[1]
    within = np.zeros((size, size), dtype=np.float32)
    within[np.triu_indices(size)] = tensors["within"]
    within += np.triu(within, 1).T
    scatter = Scatter(within, genera, tensors["counts"], means.astype(np.float32))
    scatter.within = within * np.float32(scatter.freedom)
    return scatter
