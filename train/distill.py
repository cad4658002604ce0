"""Distil a BarcodeMAE encoder: a small student learns the embeddings of a teacher.

    accelerate launch -m train.distill --config train/configs/distill.yaml \\
        --teacher runs/barcodemae-k6/best --train_data pretrain.csv --output_dir runs/student

The teacher is any encoder that `barcodemae evaluate --model` takes: a directory, `kmer:8`, ... Its
embeddings, reduced to the student's width, are what the mean of the student's last layer shall
point to; so there is no head to throw away, and 1-NN by cosine among the student's embeddings is
1-NN among the teacher's as well as the student has learned them. The student reads whole barcodes
from a random frame offset, for the target of the barcode at offset 0: it learns to be indifferent
to the frame.

The same command, given again, goes on where the run was stopped or killed, as for `train.pretrain`.
OUTPUT_DIR holds

    best/, last/      complete model directories: of the highest validation cosine, of the last step
    metrics.jsonl     a line for each logged step and each validation
    arguments.json    what the run was started with
    checkpoints/      states to resume from
    embeddings/       the teacher's embeddings and the targets; can be deleted when the run is over
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import datasets
import numpy as np
import torch
from torch.nn import functional as F

from barcodemae import BarcodeMAEModel
from barcodemae.encoders import load_encoder
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.classification import check_kmer_size
from barcodemae.loading import load_model
from train.loop.arguments import LoopArguments, parse_arguments
from train.loop.run import TrainingRun, errors_in_a_line, make_config
from train.masked_lm.validation import held_out_means
from train.targets import teacher_targets
from train.taught import TaughtDraws, TeachingCollator, is_taught


@dataclass
class DistillArguments(LoopArguments):
    """Distil the embeddings of a teacher into a small BarcodeMAE encoder."""

    preset: str = field(default="barcodemae-small", metadata={"help": "architecture of a student"})
    teacher: str = field(
        default="", metadata={"help": "checkpoint directory, Hub id, kmer:K or a baseline's name"}
    )
    student: str = field(
        default="", metadata={"help": "checkpoint whose encoder learns on; default: a new one"}
    )
    whiten: bool = field(
        default=False, metadata={"help": "give the targets' principal components unit variance"}
    )
    cache_dir: str = field(
        default="", metadata={"help": "where embeddings are kept; default: OUTPUT_DIR/embeddings"}
    )

    def check(self) -> None:
        super().check()
        if not self.teacher:
            raise BarcodeMAEError("--teacher is missing: give a checkpoint, or kmer:K")
        if self.student and self.model_overrides:
            raise BarcodeMAEError("--model_overrides are for a new student, not for --student")

    @property
    def _free(self) -> set[str]:
        return super()._free | {"cache_dir"}


class Distillation(TrainingRun):
    """A run that learns to point where the teacher's embeddings point."""

    script = "train.distill"

    def __init__(self, arguments: DistillArguments):
        self.student = None
        if arguments.student:
            check_kmer_size(arguments.student)
            self.student = load_model(BarcodeMAEModel, arguments.student, dtype=torch.float32)
        super().__init__(arguments, self.student.config if self.student else make_config(arguments))

    def make_draws(
        self, barcodes: datasets.Dataset, rows: np.ndarray, held_out: np.ndarray
    ) -> tuple[TaughtDraws, TaughtDraws]:
        arguments = self.arguments
        # The other processes find what the main process has stored.
        with self.accelerator.main_process_first():
            teacher = load_encoder(arguments.teacher, str(self.accelerator.device))
            self.teacher_fingerprint = teacher.fingerprint
            targets = teacher_targets(
                arguments.teacher,
                teacher,
                barcodes,
                rows,
                self.config.hidden_size,
                arguments.whiten,
                arguments.seed,
                Path(arguments.cache_dir or self.output_dir / "embeddings"),
                progress=self.accelerator.is_main_process,
            )
        return (
            TaughtDraws(barcodes, rows, arguments.seed, targets),
            TaughtDraws(barcodes, held_out, None, targets),
        )

    def make_model(self) -> BarcodeMAEModel:
        return self.student or BarcodeMAEModel(self.config)

    def training_collator(self) -> TeachingCollator:
        arguments = self.arguments
        return TeachingCollator(self.config.kmer_size, arguments.seed, arguments.random_offset)

    def validation_collator(self) -> TeachingCollator:
        return TeachingCollator(self.config.kmer_size, end=len(self.validation))

    def count(self, batch: dict) -> torch.Tensor:
        """Barcodes that have a target."""
        return is_taught(batch["targets"]).sum()[None]

    def loss_of(
        self, batch: dict, shares: torch.Tensor
    ) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
        loss = ((1 - self._cosines(batch)) * is_taught(batch["targets"])).sum()
        return loss / shares[0], [loss]

    def _cosines(self, batch: dict) -> torch.Tensor:
        """(batch,) of the student's embeddings with the targets."""
        output = self.model(batch["input_ids"], batch.get("attention_mask"))
        return F.cosine_similarity(output.pooler_output.float(), batch["targets"])

    def validate(self) -> dict[str, float]:
        """Mean cosine with the targets of the held-out barcodes, and the loss, 1 minus that."""

        def sums_of(batch: dict) -> torch.Tensor:
            taught = is_taught(batch["targets"]).double()
            return torch.stack([(self._cosines(batch) * taught).sum(), taught.sum()])

        (cosine,) = held_out_means(self.model, self.validation_batches(), self.accelerator, sums_of)
        return {"loss": 1 - cosine, "cosine": cosine}

    def record_start(self) -> None:
        """The validation of the student that has learned nothing yet."""
        start = self.validate()
        self.metrics.write(0, **{f"validation_{name}": value for name, value in start.items()})

    def _identity(self) -> dict:
        return {**super()._identity(), "teacher_fingerprint": self.teacher_fingerprint}


def main() -> None:
    with errors_in_a_line("train.distill"):
        Distillation(parse_arguments(kind=DistillArguments)).run()


if __name__ == "__main__":
    main()
