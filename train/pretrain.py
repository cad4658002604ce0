"""Pretrain a BarcodeMAE, on one CPU core or on several nodes with GPUs.

    accelerate launch --quiet -m train.pretrain --config train/configs/paper.yaml \\
        --train_data pretrain.csv --output_dir runs/barcodemae-k6

The same command, given again, goes on where the run was stopped or killed, to the weights that
it would have had without the interruption (bit for bit on a CPU). OUTPUT_DIR holds

    best/, last/      complete model directories: of the lowest validation loss, of the last step
    metrics.jsonl     a line for each logged step and each validation
    arguments.json    what the run was started with
    checkpoints/      states to resume from
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import datasets
import numpy as np
import torch

from barcodemae import BarcodeMAEForMaskedLM
from barcodemae.errors import BarcodeMAEError
from train.contrast.contrasting import VALIDATION_SEED, Contrasting, config_of
from train.loop.arguments import PretrainArguments
from train.loop.barcodes import Draws
from train.loop.held_out import loss_and_accuracy
from train.loop.overrides import make_config
from train.loop.parsing import named_argument, parse_arguments
from train.loop.script import errors_in_a_line
from train.loop.setup import Collator
from train.loop.training_run import TrainingRun
from train.masked_lm.compilation import StaticShapes, compile_model
from train.masked_lm.labelled import LabelledDraws, TaxonCollator
from train.masked_lm.masking import MaskingCollator
from train.masked_lm.taxon_head import SemiSupervised, warmed_up
from train.masked_lm.validation import context_free_guess, correct_masked_tokens

_BARCODES_FOR_GUESS = 20_000
# Arguments that nothing else reads than the training on laid barcodes.
_OF_LAID = (
    *("model", "grid", "start", "average", "window_share", "drop", "noise", "evolve"),
    *("relatives_share", "species_weight", "proxy_ranks"),
)


class Pretraining(TrainingRun):
    """A run that learns to name masked k-mers."""

    script = "train.pretrain"
    measures = (("loss", "accuracy"),)

    def __init__(self, arguments: PretrainArguments):
        if arguments.label_rank:
            rank = arguments.label_rank
            self.measures = (*self.measures, (f"{rank}_loss", f"{rank}_accuracy"))
        super().__init__(arguments, make_config(arguments))

    def make_draws(
        self, barcodes: datasets.Dataset, rows: np.ndarray, held_out: np.ndarray
    ) -> tuple[Draws, Draws]:
        training, validation = super().make_draws(barcodes, rows, held_out)
        if self.arguments.label_rank:
            training = LabelledDraws(barcodes, rows, self.arguments, self.global_batch)
            self.fresh = training.fresh
        return training, validation

    def make_model(self) -> BarcodeMAEForMaskedLM | SemiSupervised:
        model = BarcodeMAEForMaskedLM(self.config)
        if self.arguments.compile:
            compile_model(model)
        if self.arguments.label_rank:
            return SemiSupervised(model, self.training.num_taxa)
        return model

    def training_collator(self) -> Collator:
        collator = MaskingCollator(
            self.config.kmer_size,
            self.arguments.mask_ratio_between or self.config.mask_ratio,
            self.arguments.seed,
            random_offset=self.arguments.random_offset,
            replace=self.arguments.replace,
            global_batch=self.global_batch,
        )
        collator = self._in_few_shapes(collator)
        return TaxonCollator(collator) if self.arguments.label_rank else collator

    def validation_collator(self) -> Collator:
        collator = MaskingCollator(
            self.config.kmer_size,
            self.config.mask_ratio,
            VALIDATION_SEED,
            random_offset=False,
            end=len(self.validation),
        )
        return self._in_few_shapes(collator)

    def _in_few_shapes(self, collator: MaskingCollator) -> Collator:
        return StaticShapes(collator) if self.arguments.compile else collator

    def count(self, batch: dict) -> torch.Tensor:
        """Masked k-mers and, semi-supervised, labelled barcodes."""
        targets = [name for name in ("labels", "taxa") if name in batch]
        return torch.stack([(batch[name] != -100).sum() for name in targets])

    def loss_of(
        self, batch: dict, shares: torch.Tensor
    ) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
        output = self.model(**batch, num_items_in_batch=shares[0])
        sums = [output.loss * shares[0], correct_masked_tokens(output, batch["labels"])]
        if "taxa" not in batch:
            return output.loss, sums
        loss = output.loss + self._label_weight() * output.taxon_loss / shares[1]
        return loss, [*sums, output.taxon_loss, output.taxa_correct]

    def _label_weight(self) -> float:
        arguments = self.arguments
        warm_up_steps = arguments.label_warm_up_epochs * len(self.training) / self.fresh
        # The schedule counts the steps made, and knows them again in a resumed run.
        return warmed_up(arguments.label_weight, self.schedule.last_epoch, warm_up_steps)

    def validate(self) -> dict[str, float]:
        def judged(batch: dict) -> tuple[torch.Tensor, ...]:
            output = self.model(**batch, num_items_in_batch=1)
            return output.loss, correct_masked_tokens(output, batch["labels"]), batch["labels"]

        return loss_and_accuracy(self.model, self.validation_batches(), self.accelerator, judged)

    def record_start(self) -> None:
        """The loss and accuracy of the best guess that ignores the barcode."""
        if self.accelerator.is_main_process:
            draws = range(min(len(self.training), _BARCODES_FOR_GUESS))
            sample = [self.training[draw][1] for draw in draws]
            guess = context_free_guess(sample, self.all_validation_batches(), self.config.kmer_size)
            self.metrics.write(0, guess_loss=guess["loss"], guess_accuracy=guess["accuracy"])


def run_of(arguments: PretrainArguments) -> TrainingRun:
    """The run that the arguments ask for.

    A model that pools by site, or has labels and no [CLS] to name them from, reads laid barcodes
    and contrasts them; every other one is the paper's.

    Raises:
        BarcodeMAEError: nothing is to be learned, or the two ask for different things.
    """
    config = config_of(arguments)
    if not arguments.masked_weight and not arguments.label_rank:
        raise BarcodeMAEError(
            "--masked_weight 0 without --label_rank: there is nothing to learn. Give one of them."
        )
    if config.pooling == "sites" or (arguments.label_rank and not config.cls_token):
        return Contrasting(arguments)
    for each in fields(arguments):
        name = each.name
        if name in _OF_LAID and getattr(arguments, name) not in (each.default, []):
            raise BarcodeMAEError(
                f"--{name} is for models that pool by site, or with --label_rank and no [CLS]"
            )
    if not arguments.masked_weight:
        raise BarcodeMAEError("--masked_weight 0: BarcodeMAE+ learns from masked k-mers, too")
    return Pretraining(arguments)


def main() -> None:
    with errors_in_a_line("train.pretrain"):
        if named_argument("preset").startswith("enbed"):
            # Only now: genomes and edit tags need what a BarcodeMAE does not.
            from train.enbed.pretraining import EnbedArguments, EnbedPretraining

            EnbedPretraining(parse_arguments(kind=EnbedArguments)).run()
        else:
            run_of(parse_arguments()).run()


if __name__ == "__main__":
    main()
