"""What labelled barcodes tell of a model's sites, to be made part of its last map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy import linalg

from barcodemae.data import RANKS, read_barcodes
from barcodemae.encoders.embedder import Embedder
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.metric import Scatter


def joined_map(
    model: str | Path,
    labelled: str | Path,
    rank: str = "genus",
    weight: float = 0.5,
    ridge: float = 0.5,
    device: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The last map of a model that pools by site, joined with the discriminants of its sites.

    Both maps, scaled to embeddings of the same spread, stand beside each other; of what they make
    of the labelled barcodes the leading directions are kept, as many as the model's embedding has.
    So what training made of the sites is kept, and what tells taxa apart comes in (see `metric`).

    Args:
        model: checkpoint directory or Hub id.
        labelled: barcodes with labels of `rank`; records without one tell the spread of all.
        rank: of the taxa.
        weight: of the discriminants; that of the model's own map is 1.
        ridge: of the scatter within taxa, in units of its mean variance.
        device: that embeds; default: the accelerator that PyTorch sees, else the CPU.

    Returns:
        Weight (size, sites) and bias (size,) of the last map, float32; the labelled barcodes' mean
        becomes zero.

    Raises:
        BarcodeMAEError: the model does not pool by site, no taxon has two barcodes, or something
            cannot be read.
    """
    if rank not in RANKS:
        raise BarcodeMAEError(f"--fold-rank {rank}: no such rank; ranks: {', '.join(RANKS)}")
    embedder = Embedder.from_pretrained(model, device)
    pooling = getattr(embedder.model, "site_pooling", None)  # ENBED never has one
    if pooling is None:
        raise BarcodeMAEError(
            "--fold-metric is for models that pool by site (pooling = 'sites'): the embedding of "
            f"{model} is no linear map, so that there is nothing to fold a metric into"
        )
    table = read_barcodes([str(labelled)], whole=True).data
    labels = np.array(table.column(rank).fill_null("").to_pylist(), dtype=object).astype(str)
    if not (labels != "").any():
        raise BarcodeMAEError(f"{labelled}: no barcode has a {rank}; a metric needs labels")
    own = pooling.projection.weight.detach().cpu().numpy().astype(np.float64)
    # Without its last map the model gives its sites.
    pooling.projection = torch.nn.Identity()
    embedder.dim = own.shape[1]
    sites = embedder.embed(table.column("nucleotides").to_pylist(), progress=True)
    placed = sites.any(axis=1)
    sites, labels = sites[placed], labels[placed]
    mean = sites.mean(axis=0)
    sites -= mean
    joined = _joined(own, sites, labels, weight, ridge)
    return joined.astype(np.float32), (-joined @ mean).astype(np.float32)


def _joined(
    own: np.ndarray, sites: np.ndarray, labels: np.ndarray, weight: float, ridge: float
) -> np.ndarray:
    """(size, sites) from the map `own` (size, sites) and centred sites (n, sites)."""
    scatter = Scatter.of(sites, labels)
    discriminants = scatter.directions(len(own), ridge).T
    maps = []
    for share, each in ((1.0, own), (weight, discriminants)):
        made = sites @ each.T.astype(np.float32)
        maps.append(share * each / np.sqrt((made**2).sum(axis=1).mean()))
    both = np.concatenate(maps)
    made = sites @ both.T.astype(np.float32)
    covariance = (made.T @ made).astype(np.float64) / len(made)
    _, vectors = linalg.eigh(covariance, subset_by_index=(len(both) - len(own), len(both) - 1))
    return vectors[:, ::-1].T @ both
