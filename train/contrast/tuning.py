"""Contrast as a way to fine-tune: the arguments of `train.finetune --objective contrastive`."""

from __future__ import annotations

from dataclasses import dataclass, field

from barcodemae.errors import BarcodeMAEError
from train.loop.arguments import PretrainArguments


@dataclass
class TuningArguments(PretrainArguments):
    """Bring barcodes of a taxon together: pretraining from labels alone, from a checkpoint."""

    objective: str = field(default="contrastive", metadata={"help": "contrastive"})
    masked_weight: float = field(
        default=0.0, metadata={"help": "of the loss of masked k-mers; 0: none are masked"}
    )
    label_rank: str = field(default="genus", metadata={"help": "rank of the taxa"})
    label_weight: float = field(default=1.0, metadata={"help": "of the loss of taxa"})
    label_warm_up_epochs: float = field(
        default=0.0, metadata={"help": "over which label_weight is reached"}
    )

    def check(self) -> None:
        super().check()
        if not self.model:
            raise BarcodeMAEError("--model is missing: give a pretrained checkpoint")
        self.check_values(
            objective=(self.objective == "contrastive", "contrastive"),
            label_rank=(bool(self.label_rank), "a rank"),
        )
