"""BIN clustering, zero-shot: UMAP, Ward, and agreement with the BINs (paper, section 3.2).

UMAP brings the embeddings to 50 dimensions (metric cosine), Ward's linkage clusters those
(Euclidean), with as many clusters as there are species. Both the number of UMAP neighbours and the
seed move the figure, so a grid of them stands beside the headline. So does what Ward makes of the
embeddings themselves, as unit vectors: UMAP ties every barcode to its nearest neighbours however
far they are, so that BINs of one barcode are joined to others.
"""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_mutual_info_score, homogeneity_completeness_v_measure
from sklearn.preprocessing import normalize

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.context import Context, Row
from barcodemae.evaluation.scores import records
from barcodemae.evaluation.settings import WITHOUT_UMAP
from barcodemae.identification.transforms import dense
from barcodemae.store import Stopwatch, content_key

TASK = "bin-clustering"
DIMENSIONS = 50
_BIN = "dna_bin"


def check(context: Context) -> None:
    if importlib.util.find_spec("umap") is None:
        raise BarcodeMAEError(
            f"the task {TASK} needs UMAP: pip install 'barcodemae[evaluation]', or leave it out of "
            "--tasks"
        )
    settings, barcodes = context.settings, context.clustering
    known = barcodes.labels(_BIN) != ""
    if not known.any():
        raise BarcodeMAEError(
            f"no barcode of {barcodes.name!r} has a BIN (column dna_bin): leave out the task "
            f"{TASK} or fill the column in"
        )
    if settings.clusters not in barcodes.table:
        columns = ", ".join(barcodes.table)
        raise BarcodeMAEError(f"--clusters {settings.clusters}: no such column among {columns}")
    n = int(known.sum())
    if n < len(barcodes):
        context.warnings.append(
            f"{len(barcodes) - n} of {len(barcodes)} barcodes of {barcodes.name} have no BIN and "
            "are left out of the clustering"
        )
    neighbours = max(settings.umap_neighbours, *settings.umap_grid)
    needed = max(neighbours, DIMENSIONS + 1)
    if n <= needed:
        raise BarcodeMAEError(
            f"{n} barcodes of {barcodes.name!r} have a BIN; UMAP to {DIMENSIONS} dimensions with "
            f"{neighbours} neighbours needs more than {needed}. Name larger splits with "
            "--clustering, or leave out the task"
        )
    clusters = number_of_clusters(context)
    if not 2 <= clusters < n:
        raise BarcodeMAEError(
            f"{n} barcodes of {barcodes.name!r} cannot form {clusters} clusters (the values of "
            f"{settings.clusters!r}): there must be 2 to {n - 1}. Choose another column with "
            "--clusters (species or dna_bin)"
        )


def number_of_clusters(context: Context) -> int:
    labels = context.clustering.labels(context.settings.clusters)
    labels = labels[context.clustering.labels(_BIN) != ""]
    return len(np.unique(labels[labels != ""]))


def run(row: Row, context: Context) -> list[dict]:
    """AMI, homogeneity, completeness and V-measure: the headline, and for plain rows the grid."""
    settings = context.settings
    headline = (settings.umap_neighbours, settings.umap_seed)
    grid = [headline]
    if not row.variant:
        cells = ((n, seed) for n in settings.umap_grid for seed in settings.umap_seeds)
        grid += [cell for cell in cells if cell != headline]
        grid.append((WITHOUT_UMAP, settings.umap_seed))
    bins = context.clustering.labels(_BIN)
    known = bins != ""
    _, classes = np.unique(bins[known], return_inverse=True)
    found = []
    for neighbours, seed in grid:
        made = clusters_of(row, context, known, neighbours, seed)
        given = classes, made["clusters"]
        measures = homogeneity_completeness_v_measure(*given)
        values = {"adjusted_mutual_information": adjusted_mutual_info_score(*given)}
        values |= zip(("homogeneity", "completeness", "v_measure"), measures, strict=True)
        how = {
            "splits": settings.clustering,
            "umap_neighbours": neighbours,
            "clusters": number_of_clusters(context),
            "clusters_from": settings.clusters,
            "headline": (neighbours, seed) == headline,
            **row.options,
        }
        common = {"n": int(known.sum()), "seed": seed, "duration": made["seconds"]}
        found += records(row.model, TASK, values, settings=how, **common)
    return found


def clusters_of(row: Row, context: Context, known: np.ndarray, neighbours: int, seed: int) -> dict:
    """`clusters`, a number for each barcode that has a BIN, and `seconds`; from the store."""
    number = number_of_clusters(context)
    key = content_key(
        task=TASK,
        row=context.fingerprint(row),
        barcodes=context.clustering.content,
        known=np.flatnonzero(known).tolist(),
        settings=[neighbours, seed, number, DIMENSIONS],
    )

    def compute() -> dict:
        embedded = context.embed(row, context.clustering)
        watch = Stopwatch()
        (vectors,) = dense(context.transform_of(row)(embedded.vectors)[known])
        found = cluster(vectors, number, neighbours, seed)
        return {"clusters": found.tolist(), "seconds": watch.read()[0] + embedded.wall_seconds}

    return context.store.values(key, compute)


def cluster(vectors: np.ndarray, number: int, neighbours: int, seed: int) -> np.ndarray:
    """(n, dim) embeddings -> (n,) cluster numbers. Memory: 5 GB at 22,000, growing as n^2."""
    ward = AgglomerativeClustering(n_clusters=number, linkage="ward")
    if neighbours == WITHOUT_UMAP:
        return ward.fit_predict(normalize(vectors))
    from umap import UMAP

    with warnings.catch_warnings():
        # A seed makes UMAP use one thread, and it says so each time.
        warnings.filterwarnings("ignore", message="n_jobs value")
        reduced = UMAP(
            n_components=DIMENSIONS, n_neighbors=neighbours, metric="cosine", random_state=seed
        ).fit_transform(vectors)
    return ward.fit_predict(reduced)
