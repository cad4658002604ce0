"""Contrast as a way to fine-tune: the arguments of `train.finetune --objective contrastive`."""

from __future__ import annotations

from dataclasses import dataclass

from barcodemae.data.schemas import RANKS
from barcodemae.errors import BarcodeMAEError
from train.loop.arguments import NOT_NEGATIVE, POSITIVE, PretrainArguments, argument, one_of


@dataclass
class TuningArguments(PretrainArguments):
    """Bring barcodes of a taxon together: pretraining from labels alone, from a checkpoint."""

    objective: str = argument("contrastive", "contrastive", one_of("contrastive"))
    masked_weight: float = argument(
        0.0, "of the loss of masked k-mers; 0: none are masked", NOT_NEGATIVE
    )
    label_rank: str = argument("genus", "rank of the taxa", one_of(*RANKS))
    label_weight: float = argument(1.0, "of the loss of taxa", POSITIVE)
    label_warm_up_epochs: float = argument(0.0, "over which label_weight is reached", NOT_NEGATIVE)

    def check(self) -> None:
        super().check()
        if not self.model:
            raise BarcodeMAEError("--model is missing: give a pretrained checkpoint")
