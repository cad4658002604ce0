"""The model of a run that contrasts barcodes, and names masked k-mers where it is to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from barcodemae import BarcodeMAEForMaskedLM, BarcodeMAEModel
from grid_barcodemae import Grid
from modeling_barcodemae import BarcodeMAEMaskedLMOutput
from tokenization_barcodemae import BarcodeMAETokenizer
from train.contrast.loss import contrast

_INNER = "inner."


@dataclass
class ContrastOutput:
    """What `Contrasted` returns; None of what it was not given.

    Attributes:
        masked: of the masked LM.
        loss, right: see `train.contrast.loss.contrast`.
    """

    masked: BarcodeMAEMaskedLMOutput | None
    loss: torch.Tensor | None
    right: torch.Tensor | None


class Contrasted(nn.Module):
    """One forward pass for both losses, so that gradients of several processes are averaged once.

    Args:
        inner: a masked LM, or an encoder where no masked k-mers are learned.
        temperature: of the contrast.
        grid: that barcodes lie on; it is saved with the model.
    """

    def __init__(
        self,
        inner: BarcodeMAEForMaskedLM | BarcodeMAEModel,
        temperature: float,
        grid: Grid | None = None,
    ):
        super().__init__()
        self.inner = inner
        self.temperature = temperature
        self.grid = grid

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
        **unused,
    ) -> ContrastOutput:
        """`masked` as the masked LM takes it; `views` of barcodes with their taxa and species."""
        output = self.inner(**masked) if masked else None
        loss = right = None
        if views:
            loss, right = contrast(self.embed(views), taxa, species, self.temperature)
        return ContrastOutput(output, loss, right)

    def save_pretrained(self, directory: str | Path, state_dict: dict[str, torch.Tensor]) -> None:
        """Save the inner model, an ordinary BarcodeMAE, and a tokenizer that knows the grid."""
        weights = {name.removeprefix(_INNER): weight for name, weight in state_dict.items()}
        self.inner.save_pretrained(directory, state_dict=weights)
        if self.grid is not None:
            tokenizer = BarcodeMAETokenizer(self.inner.config.kmer_size, grid=self.grid)
            tokenizer.save_pretrained(directory)
