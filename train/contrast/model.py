"""The model of a run that contrasts barcodes, and names masked k-mers where it is to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from barcodemae import BarcodeMAEForMaskedLM, BarcodeMAEModel
from barcodemae.identification.lineages import IGNORED
from grid_barcodemae import Grid
from modeling_barcodemae import BarcodeMAEMaskedLMOutput
from tokenization_barcodemae import BarcodeMAETokenizer
from train.contrast.loss import contrast
from train.loop.run_files import weights_of

_PROXY_TEMPERATURE = 0.05


@dataclass
class ContrastOutput:
    """What `Contrasted` returns; None of what it was not given.

    Attributes:
        masked: of the masked LM.
        terms: of the contrast of taxa, of that of species where there is one, and of each rank's
            proxies: the sum of the losses, and of the right ones (see `train.contrast.loss`).
    """

    masked: BarcodeMAEMaskedLMOutput | None
    terms: list[tuple[torch.Tensor, torch.Tensor]]


class Contrasted(nn.Module):
    """One forward pass for both losses, so that gradients of several processes are averaged once.

    Args:
        inner: a masked LM, or an encoder where no masked k-mers are learned.
        temperature: of the contrast.
        grid: that barcodes lie on; it is saved with the model.
        with_species: contrast species, too.
        proxies: number of taxa of each rank that is named by proxies, a vector for each taxon. They
            are learned for training alone.
    """

    def __init__(
        self,
        inner: BarcodeMAEForMaskedLM | BarcodeMAEModel,
        temperature: float,
        grid: Grid | None = None,
        with_species: bool = False,
        proxies: dict[str, int] | None = None,
    ):
        super().__init__()
        self.inner = inner
        self.temperature = temperature
        self.grid = grid
        self.with_species = with_species
        size = self.encoder.config.pooled_size
        drawn = {rank: torch.randn(number, size) for rank, number in (proxies or {}).items()}
        # From a list of pairs: of a dict, ParameterDict would sort the ranks.
        unit = [(rank, F.normalize(each, dim=1)) for rank, each in drawn.items()]
        self.proxies = nn.ParameterDict(unit)

    @property
    def encoder(self) -> BarcodeMAEModel:
        return getattr(self.inner, "barcodemae", self.inner)

    def embed(self, views: list[dict]) -> torch.Tensor:
        """(barcodes, size) of views that come in parts of like lengths."""
        return torch.cat([self.encoder(**part).pooler_output for part in views])

    def forward(
        self,
        masked: dict | None = None,
        views: list[dict] | None = None,
        taxa: torch.Tensor | None = None,
        species: torch.Tensor | None = None,
        named: torch.Tensor | None = None,
        **unused,
    ) -> ContrastOutput:
        """`masked` as the masked LM takes it; `views` of barcodes with their taxa and species.

        `named` (barcodes, ranks) are their taxa at the ranks of the proxies.
        """
        output = self.inner(**masked) if masked else None
        terms = []
        if views:
            embeddings = self.embed(views)
            terms.append(contrast(embeddings, taxa, species, self.temperature))
            if self.with_species:
                nothing_finer = torch.full_like(species, IGNORED)
                terms.append(contrast(embeddings, species, nothing_finer, self.temperature))
            ranks = enumerate(self.proxies.values())
            terms += [named_by(embeddings, each, named[:, at]) for at, each in ranks]
        return ContrastOutput(output, terms)

    def save_pretrained(self, directory: str | Path, state_dict: dict[str, torch.Tensor]) -> None:
        """Save the inner model, an ordinary BarcodeMAE, and a tokenizer that knows the grid."""
        weights = weights_of("inner.", state_dict)
        self.inner.save_pretrained(directory, state_dict=weights)
        if self.grid is not None:
            tokenizer = BarcodeMAETokenizer(self.inner.config.kmer_size, grid=self.grid)
            tokenizer.save_pretrained(directory)


def named_by(
    embeddings: torch.Tensor, proxies: torch.Tensor, taxa: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalized softmax loss (Zhai and Wu 2019) of barcodes over the proxies of all taxa.

    Args:
        embeddings: (n, size).
        proxies: (taxa, size).
        taxa: (n,), IGNORED without a label.

    Returns:
        The sum of the losses of the labelled ones, and how many are nearest to their own; () each.
    """
    unit = F.normalize(embeddings.float(), dim=1)
    scores = unit @ F.normalize(proxies.float(), dim=1).T / _PROXY_TEMPERATURE
    losses = F.cross_entropy(scores, taxa, ignore_index=IGNORED, reduction="sum")
    return losses, (scores.argmax(dim=1) == taxa).sum()
