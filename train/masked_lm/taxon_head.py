"""Naming taxa beside masked k-mers: what makes pretraining semi-supervised (BarcodeMAE+)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from barcodemae import BarcodeMAEForMaskedLM
from barcodemae.identification.lineages import IGNORED
from modeling_barcodemae import BarcodeMAEMaskedLMOutput
from train.loop.run_files import weights_of


@dataclass
class SemiSupervisedOutput(BarcodeMAEMaskedLMOutput):
    """That of the masked LM and, over the labelled barcodes of the batch:

    Attributes:
        taxon_loss: () sum of their cross-entropies.
        taxa_correct: () number of them whose likeliest taxon is the true one.
    """

    taxon_loss: torch.FloatTensor | None = None
    taxa_correct: torch.LongTensor | None = None


class SemiSupervised(nn.Module):
    """A masked LM with [CLS], and a head that names the barcode's taxon from the encoder's [CLS].

    As in the authors' code the encoder has only seen what was visible, and the head is a norm,
    dropout and a linear layer. It is there for training alone: like the decoder it is no part of
    what a model is used for, and `save_pretrained` leaves it out.
    """

    def __init__(self, masked_lm: BarcodeMAEForMaskedLM, num_taxa: int):
        super().__init__()
        config = masked_lm.config
        self.masked_lm = masked_lm
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, num_taxa)
        nn.init.normal_(self.classifier.weight, std=config.initializer_range)
        nn.init.zeros_(self.classifier.bias)

    def forward(
        self, taxa: torch.Tensor | None = None, **inputs
    ) -> SemiSupervisedOutput | BarcodeMAEMaskedLMOutput:
        """As the masked LM, whose `inputs` these are; with `taxa` (batch,) the taxon loss, too."""
        output = self.masked_lm(**inputs)
        if taxa is None:
            return output
        logits = self.classifier(self.dropout(self.norm(output.cls_state)))  # (batch, taxa)
        loss = F.cross_entropy(logits.float(), taxa, ignore_index=IGNORED, reduction="sum")
        right = (logits.argmax(dim=-1) == taxa).sum()
        return SemiSupervisedOutput(**output, taxon_loss=loss, taxa_correct=right)

    def save_pretrained(self, directory: str | Path, state_dict: dict[str, torch.Tensor]) -> None:
        """Save the masked LM, an ordinary BarcodeMAE, from this module's state dict."""
        weights = weights_of("masked_lm.", state_dict)
        self.masked_lm.save_pretrained(directory, state_dict=weights)


def warmed_up(weight: float, step: int, warm_up_steps: float) -> float:
    """The weight of a loss at a step: it grows linearly to `weight` over the warm-up."""
    return weight * min(1.0, step / warm_up_steps) if warm_up_steps else weight
