"""Pretrain an ENBED, on the loop and with the exact resume of `train.pretrain`.

Objectives: `spans` (the default: masked spans, written by the decoder) and `tokens` (single masked
nucleotides, named by the encoder) read genomes, FASTA or FASTA.gz; `edits` reads COI barcodes, puts
sequencing errors into them and learns the tags that undo them, for `barcodemae check`; `mutations`
reads dated strains of a virus and learns to write the child of a parent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from barcodemae.checking.tagging import WIDTH
from barcodemae.checking.tags import LABELS
from barcodemae.errors import BarcodeMAEError
from enbed import EnbedForConditionalGeneration, EnbedForTokenClassification
from train.enbed.children import PairCollator, PairDraws
from train.enbed.edits import EditCollator, profile_places
from train.enbed.genomes import Genome, WindowDraws, Windows
from train.enbed.mutations import divide
from train.enbed.spans import SpanCollator, TokenCollator
from train.enbed.strains import WAYS, read_pairs
from train.loop.arguments import INSIDE, SHARE, LoopArguments, argument, at_least, one_of
from train.loop.held_out import loss_and_accuracy
from train.loop.overrides import make_config
from train.loop.setup import Collator
from train.loop.training_run import TrainingRun

_VALIDATION_SEED = 20_231_104
_OBJECTIVES = ("spans", "tokens", "edits", "mutations")
_GENOMES = ("spans", "tokens")
# From what probability on `barcodemae check` believes a tag that says which nucleotide is lost or
# extra: the best of eight values for the shipped model (docs/checking.md).
_LEAST_TO_MEND = 0.6
_NEXT = {
    "edits": "barcodemae check BARCODES -o report.tsv --tags {best}",
    "mutations": "python -m train.enbed.mutations --model {best}, with the same --train_data, "
    "--pairs, --tree and --test_from",
}


@dataclass
class EnbedArguments(LoopArguments):
    """Pretrain an ENBED. What the paper does not state is this project's choice."""

    preset: str = argument("enbed-base", "sizes")
    objective: str = argument("spans", ", ".join(_OBJECTIVES), one_of(*_OBJECTIVES))
    window: int = argument(
        4096, "nucleotides in a window of a genome, or of a strain", at_least(64)
    )
    pairs: str = argument("", "mutations: season, or tree")
    tree: str = argument("", "mutations, along a tree: a Newick file")
    test_from: str = argument("", "mutations: season or year from which on pairs are left out")
    masked_share: float = argument(0.15, "of the nucleotides", INSIDE)
    span_length: float = argument(20.0, "mean, of a masked span (ByT5's)", at_least(1))
    masks_first: float = argument(0.15, "edits: share of the training that only masks", SHARE)

    def check(self) -> None:
        super().check()
        is_way = self.pairs in WAYS or self.objective != "mutations"
        self.check_values(pairs=(is_way, " or ".join(WAYS)))


class EnbedPretraining(TrainingRun):
    """A run that learns to name what is masked, or to undo errors."""

    script = "train.pretrain"
    measures = (("loss", "accuracy"),)
    whole = True

    def __init__(self, arguments: EnbedArguments):
        config = make_config(arguments)
        if arguments.objective != "edits" and arguments.window + 1 > config.max_position_embeddings:
            raise BarcodeMAEError(
                f"--window {arguments.window}: the model has {config.max_position_embeddings} "
                "positions, and </s> needs one"
            )
        if arguments.objective == "edits":
            config.learned_positions = config.learned_positions or WIDTH
            config.id2label = dict(enumerate(LABELS))
            config.least_to_mend = _LEAST_TO_MEND
        elif arguments.objective == "tokens":
            config.id2label = dict(enumerate("ACGT"))
        config.label2id = {label: number for number, label in config.id2label.items()}
        super().__init__(arguments, config)
        self.next_command = _NEXT.get(arguments.objective, self.next_command)

    def read(self):
        if self.arguments.objective == "edits":
            return super().read()
        if self.arguments.objective == "mutations":
            pairs = read_pairs(self.arguments.train_data, self.arguments.pairs, self.arguments.tree)
            test_from = self.arguments.test_from
            return divide(pairs, test_from)[0] if test_from else pairs
        genome = Genome(self.arguments.train_data, Path(self.arguments.output_dir) / "genome")
        return Windows(genome, self.arguments.window)

    def digest(self, barcodes):
        if self.arguments.objective == "edits":
            return super().digest(barcodes)
        if self.arguments.objective == "mutations":
            arrays = [barcodes.parents, barcodes.children, barcodes.times.astype(str)]
        else:
            arrays = [barcodes.genome.codes, barcodes.genome.stretches]
        digest = hashlib.sha256()
        for array in arrays:
            digest.update(np.ascontiguousarray(array).view(np.uint8))
        return digest.hexdigest()[:16]

    def hold_out(self, barcodes):
        if self.arguments.objective not in _GENOMES:
            return super().hold_out(barcodes)
        # The last windows, without a list of them all: their number grows with the genome.
        end = len(barcodes) - max(1, round(self.arguments.validation_share * len(barcodes)))
        return range(end), range(end, len(barcodes))

    def make_draws(self, barcodes, rows, held_out):
        if self.arguments.objective == "edits":
            return super().make_draws(barcodes, rows, held_out)
        seed = self.arguments.seed
        if self.arguments.objective == "mutations":
            return PairDraws(barcodes, rows, seed), PairDraws(barcodes, held_out, seed=None)
        return WindowDraws(barcodes, rows, seed), WindowDraws(barcodes, held_out, seed=None)

    def make_model(self) -> torch.nn.Module:
        if self.arguments.objective in ("spans", "mutations"):
            return EnbedForConditionalGeneration(self.config)
        model = EnbedForTokenClassification(self.config)
        if self.arguments.objective == "edits":
            places = model.model.encoder.embed_tokens.places.weight
            with torch.no_grad():
                places += profile_places(*places.shape, self.arguments.seed)
        return model

    def training_collator(self) -> Collator:
        return self._collator(self.arguments.seed, None)

    def validation_collator(self) -> Collator:
        return self._collator(_VALIDATION_SEED, len(self.validation))

    def _collator(self, seed: int, end: int | None) -> Collator:
        arguments = self.arguments
        if arguments.objective == "spans":
            return SpanCollator(arguments.masked_share, arguments.span_length, seed, end)
        if arguments.objective == "tokens":
            return TokenCollator(arguments.masked_share, seed, end)
        if arguments.objective == "mutations":
            return PairCollator(arguments.window, seed, end)
        draws = self.total_steps * self.global_batch
        return EditCollator(seed, draws, arguments.masks_first, end)

    def count(self, batch: dict) -> torch.Tensor:
        """(1,) labelled tokens."""
        return (batch["labels"] != -100).sum()[None]

    def loss_of(
        self, batch: dict, shares: torch.Tensor
    ) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
        output = self.model(**batch, num_items_in_batch=shares[0])
        right = (output.logits.argmax(-1) == batch["labels"]).sum()
        return output.loss, [output.loss * shares[0], right]

    def validate(self) -> dict[str, float]:
        def judged(batch: dict) -> tuple[torch.Tensor, ...]:
            output = self.model(**batch, num_items_in_batch=1)
            right = (output.logits.argmax(-1) == batch["labels"]).sum()
            return output.loss, right, batch["labels"]

        return loss_and_accuracy(self.model, self.validation_batches(), self.accelerator, judged)

    def record_start(self) -> None:
        """The accuracy of the commonest label: what a guess that reads nothing reaches."""
        if self.accelerator.is_main_process:
            labels = torch.cat([b["labels"].flatten() for b in self.validation_batches()])
            counts = torch.bincount(labels[labels != -100])
            self.metrics.write(0, guess_accuracy=float(counts.max() / counts.sum()))
