"""The metric that a model's embeddings call for, to be made part of the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from barcodemae.data import read_barcodes
from barcodemae.encoders.embedder import Embedder
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.metric import Scatter


def metric_to_fold(
    model: str | Path, labelled: str | Path, rank: str = "genus", device: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The map and the mean that `barcodemae.hub.export.export` folds into a model.

    Barcodes of a taxon lie together under it, by what sets labelled ones apart (see `metric`).

    Args:
        model: checkpoint directory or Hub id.
        labelled: barcodes with labels of `rank`; records without one tell the spread of all.
        rank: of the taxa.
        device: that embeds; default: the accelerator that PyTorch sees, else the CPU.

    Returns:
        (size, size) and (size,), float32.

    Raises:
        BarcodeMAEError: no taxon has two barcodes, or something cannot be read.
    """
    barcodes = read_barcodes([str(labelled)])
    table = barcodes.data
    labels = np.array(table.column(rank).fill_null("").to_pylist(), dtype=object).astype(str)
    if not (labels != "").any():
        raise BarcodeMAEError(f"{labelled}: no barcode has a {rank}; a metric needs labels")
    vectors = Embedder.from_pretrained(model, device).embed(
        table.column("nucleotides").to_pylist(), progress=True
    )
    placed = vectors.any(axis=1)
    vectors, labels = vectors[placed], labels[placed]
    mean = vectors.mean(axis=0)
    directions = Scatter.of(vectors - mean, labels).directions(vectors.shape[1])
    return directions.T, mean
