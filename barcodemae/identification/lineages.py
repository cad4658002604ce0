"""The taxa that a classifier names, rank by rank, and how their probabilities hang together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PretrainedConfig

from barcodemae.data.schemas import RANKS
from barcodemae.errors import BarcodeMAEError

IGNORED = -100  # the code of a label that is missing or unknown; losses and metrics leave it out
UNPLACED = "unplaced"  # the taxon of those whose lineage does not say one


@dataclass(frozen=True)
class Lineages:
    """For each taxon of the finest rank, the taxa above it.

    A classifier scores the taxa of its finest rank. The probability of a taxon above is the sum
    over those below it, so the ranks agree by construction: a genus is never less probable than one
    of its species, and every rank sums to 1.

    Attributes:
        names: rank -> names of its taxa; the ranks from coarse to fine.
        of_leaf: rank -> (leaves,) int64: the place in `names` of the taxon that each taxon of the
            finest rank belongs to.
    """

    names: dict[str, list[str]]
    of_leaf: dict[str, torch.Tensor]

    @classmethod
    def from_columns(cls, columns: Mapping[str, Sequence[str | None]]) -> Lineages:
        """From a column for each rank, coarse to fine, with a row for each taxon of the finest."""
        names, of_leaf, finest = {}, {}, list(columns)[-1]
        for rank, given in columns.items():
            column = [UNPLACED if name is None else name for name in given]
            names[rank] = column if rank == finest else sorted(set(column))
            place = {name: index for index, name in enumerate(names[rank])}
            of_leaf[rank] = torch.tensor([place[name] for name in column])
        return cls(names, of_leaf)

    @classmethod
    def of_config(cls, config: PretrainedConfig) -> Lineages:
        """As `to_config` left them; of any other classifier: one rank, called "label"."""
        labels = [config.id2label[index] for index in range(config.num_labels)]  # type: ignore
        saved = getattr(config, "lineages", None) or [["label", labels]]
        if isinstance(saved, dict):  # of earlier versions, whose order was lost in the file
            saved = sorted(saved.items(), key=lambda item: (*RANKS, item[0]).index(item[0]))
        return cls.from_columns(dict(saved))

    def to_config(self, config: PretrainedConfig) -> None:
        """Write the labels and, as the field `lineages`, pairs of rank and column, coarse to fine.

        A list, since transformers sorts the keys of what it writes, and the order of the ranks says
        which is finest.
        """
        config.num_labels = len(self.names[self.finest])
        config.id2label = dict(enumerate(self.names[self.finest]))
        config.label2id = {name: index for index, name in config.id2label.items()}
        config.lineages = [
            [rank, [self.names[rank][index] for index in self.of_leaf[rank]]] for rank in self.ranks
        ]

    @property
    def ranks(self) -> list[str]:
        return list(self.names)

    @property
    def finest(self) -> str:
        return self.ranks[-1]

    def logits(self, leaf_logits: torch.Tensor, rank: str) -> torch.Tensor:
        """Logits of a rank's taxa (n, taxa) from those of the finest rank (n, leaves).

        Of the leaves below a taxon the exponentials are summed, so a softmax over the rank gives
        the sum of their probabilities.
        """
        if rank == self.finest:
            return leaf_logits
        taxon = self.of_leaf[rank].to(leaf_logits.device)
        index = taxon.expand_as(leaf_logits)
        shape = (len(leaf_logits), len(self.names[rank]))
        # The largest is taken out first, so that no exponential overflows and no sum vanishes.
        largest = leaf_logits.new_full(shape, -torch.inf)
        largest = largest.scatter_reduce(1, index, leaf_logits.detach(), "amax")
        shifted = (leaf_logits - largest.gather(1, index)).exp()
        return leaf_logits.new_zeros(shape).index_add(1, taxon, shifted).log() + largest

    def codes(self, rank: str, names: Sequence[str | None]) -> np.ndarray:
        """(n,) int64 places of the names in `self.names[rank]`; IGNORED: None, or not there."""
        if rank not in self.names:
            raise BarcodeMAEError(f"there is no rank {rank!r} here; ranks: {', '.join(self.ranks)}")
        place = {name: index for index, name in enumerate(self.names[rank]) if name != UNPLACED}
        return np.array([place.get(name or "", IGNORED) for name in names], dtype=np.int64)
