"""The loss that brings barcodes of a taxon together, first those of another species."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from barcodemae.identification.lineages import IGNORED


def positives(taxa: torch.Tensor, species: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which barcodes attract each other, and which are compared at all: two (n, n) bool.

    A barcode's positives are those of its taxon and another species; where the batch has none,
    those of its taxon. The others of its taxon are not compared with it: they would be near
    anyway, and to push them away would be wrong.

    Args:
        taxa: (n,) IGNORED where a barcode has no label: it then attracts nothing, and only pushes.
        species: (n,) IGNORED where unknown, which counts as no other species.
    """
    itself = torch.eye(len(taxa), dtype=torch.bool, device=taxa.device)
    alike = (taxa[:, None] == taxa) & (taxa != IGNORED)[:, None] & ~itself
    known = species != IGNORED
    of_others = alike & (species[:, None] != species) & known & known[:, None]
    attract = torch.where(of_others.any(dim=1, keepdim=True), of_others, alike)
    return attract, attract | ~(alike | itself)


def contrast(
    embeddings: torch.Tensor, taxa: torch.Tensor, species: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Supervised contrastive loss (Khosla et al. 2020, Eq. 2) over `positives`.

    Written out here, for the losses of pytorch-metric-learning know no positives of second choice
    that are neither attracted nor pushed away.

    Args:
        embeddings: (n, size); compared by cosine.
        taxa, species: (n,), see `positives`.
        temperature: that cosines are divided by.

    Returns:
        The sum of the losses of the barcodes that have a positive, and the number of those whose
        nearest one of the batch is a positive; () each.
    """
    embeddings = F.normalize(embeddings.float(), dim=1)
    attract, compared = positives(taxa, species)
    # Not minus infinity: a row with nothing to compare would have no gradient but NaN.
    similarity = (embeddings @ embeddings.T / temperature).masked_fill(~compared, -1e4)
    log_shares = similarity - similarity.logsumexp(dim=1, keepdim=True)
    number = attract.sum(dim=1)  # (n,)
    losses = -(log_shares * attract).sum(dim=1) / number.clamp(min=1)
    nearest = similarity.argmax(dim=1, keepdim=True)
    right = attract.gather(1, nearest).squeeze(1)
    return losses.sum(), right.sum()
