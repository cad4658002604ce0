"""One linear head for each rank on a shared encoder, and their joint loss."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from barcodemae.identification.lineages import IGNORED, Lineages


class LineageHeads(nn.Module):
    """Heads that score whole lineages: embeddings (n, hidden) -> logits (n, leaves).

    Each rank has a head of its own, and the score of a lineage is the sum of what its taxa get
    from theirs: a hierarchy-and-exclusion graph (Deng et al. 2014) over a taxonomy. One softmax
    over the lineages gives the probabilities of all ranks, which are then consistent, and a species
    with few barcodes leans on what its genus has learned.

    Sums of linear maps are linear: `merged` is the same function as one linear layer, so that a
    trained model is an ordinary sequence classifier of the finest rank, with nothing to be added to
    its code. The taxa above follow by `Lineages.logits`.
    """

    def __init__(self, pooled_size: int, lineages: Lineages, initializer_range: float):
        super().__init__()
        self.lineages = lineages
        self.heads = nn.ModuleDict(
            {rank: nn.Linear(pooled_size, len(names)) for rank, names in lineages.names.items()}
        )
        for head in self.heads.values():
            nn.init.normal_(head.weight, std=initializer_range)
            nn.init.zeros_(head.bias)

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        return sum(
            head(embeddings).index_select(1, self.lineages.of_leaf[rank].to(embeddings.device))
            for rank, head in self.heads.items()
        )

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The same function as a single layer (embedding -> leaves)."""
        of_leaf = self.lineages.of_leaf
        weight = sum(head.weight.cpu()[of_leaf[rank]] for rank, head in self.heads.items())
        bias = sum(head.bias.cpu()[of_leaf[rank]] for rank, head in self.heads.items())
        return linear(weight, bias)


def linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    """A layer with the given weight (out, in) and bias (out,)."""
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def lineage_loss(
    leaf_logits: torch.Tensor,
    labels: torch.Tensor,
    lineages: Lineages,
    label_smoothing: float = 0.0,
    num_items_in_batch: torch.Tensor | int | None = None,
) -> torch.Tensor:
    """Mean cross-entropy over all labels of all ranks.

    Args:
        leaf_logits: (n, leaves).
        labels: (n, ranks); IGNORED where a barcode has no label. One whose species is unknown
            still counts for the genus.
        label_smoothing: share of each label that is spread over the rank's taxa.
        num_items_in_batch: labels in the global batch, where the n barcodes are a part of it.
    """
    total = sum(
        F.cross_entropy(
            lineages.logits(leaf_logits, rank).float(),
            labels[:, column],
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=label_smoothing,
        )
        for column, rank in enumerate(lineages.ranks)
    )
    if num_items_in_batch is None:
        num_items_in_batch = (labels != IGNORED).sum().clamp(min=1)
    return total / num_items_in_batch
