"""transformers' Trainer with the paper's recipe, lineage heads and barcodes as they are."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import Sampler
from transformers import (
    Trainer,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from barcodemae import BarcodeMAEForSequenceClassification
from barcodemae.encoders.embedder import grid_for
from barcodemae.encoders.tokens import token_batch
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.lineages import Lineages
from barcodemae.outputs import full_disk_named
from grid_barcodemae import Grid
from train.finetuning.finetune_arguments import FinetuneArguments
from train.finetuning.freezing import GradualUnfreezing, parameter_groups
from train.finetuning.heads import lineage_loss
from train.finetuning.labels import LabelledBarcodes
from train.finetuning.sampling import BalancedSampler
from train.finetuning.split_reports import accuracies
from train.finetuning.stopping import Patience, StopInTime, without_gain
from train.loop.deadline import Deadline, Interval
from train.loop.devices import share_of_batch
from train.loop.manifests import States, fault_of, remove, seal
from train.loop.optimization import make_optimizer, one_cycle

_KEEP = 2  # newest states, beside the best


class FinetuneTrainer(Trainer):
    """Trainer for a model whose `classifier` is `LineageHeads`."""

    def __init__(
        self,
        model: BarcodeMAEForSequenceClassification,
        arguments: FinetuneArguments,
        lineages: Lineages,
        training: LabelledBarcodes,
        validation: LabelledBarcodes,
    ):
        self.finetune_arguments = arguments
        self.lineages = lineages
        self.states = States(Path(arguments.output_dir) / "checkpoints", PREFIX_CHECKPOINT_DIR)
        self.stop_in_time = StopInTime(
            Deadline(arguments.stop_after_minutes),
            arguments.checkpoint_every,
            Interval(arguments.checkpoint_minutes),
        )
        callbacks = [self.stop_in_time, NewFrames(training)]
        if arguments.encoder == "gradual":
            callbacks.append(GradualUnfreezing(model, arguments.unfreeze_every))
        if arguments.patience:
            callbacks.append(Patience(arguments.patience))
        super().__init__(
            model,
            training_arguments(arguments),
            data_collator=BarcodeCollator(model.config.kmer_size, grid_for(model.barcodemae)),
            train_dataset=training,
            eval_dataset=validation,
            # `accuracy`, the finest rank's, chooses the best epoch.
            compute_metrics=lambda found: accuracies(
                torch.from_numpy(found.predictions), found.label_ids, lineages
            ),
            compute_loss_func=self.loss_of,
            callbacks=callbacks,
        )

    def train_on(self) -> bool:
        """Train from the newest whole state, if there is one; whether the end was reached.

        The main process says which states are damaged, and in what.

        Raises:
            BarcodeMAEError: a state whose checksums are right cannot be loaded.
        """
        found: list[int | None] = [None]
        if self.is_world_process_zero():
            self.states.sweep()
            found = [self.states.newest_whole(print, needs=self._best_of)]
        step = broadcast_object_list(found)[0]
        state = None if step is None else str(self.states.path(step))
        patience = self.finetune_arguments.patience
        if state and 0 < patience <= without_gain(self._saved(step)):
            self.args.max_steps = step  # it had ended there: only the best model is to be loaded
        try:
            with self.stop_in_time.deadline:
                self.train(resume_from_checkpoint=state)
        except pickle.UnpicklingError as error:
            raise BarcodeMAEError(
                f"{state}: holds more than tensors and numbers. Remove this folder: the run then "
                "goes on from the state before it"
            ) from error
        return not self.stop_in_time.has_stopped

    def _best_of(self, step: int) -> int | None:
        """The step of the best model so far, as the state of `step` knows it."""
        return self._saved(step).best_global_step

    def _saved(self, step: int) -> TrainerState:
        return TrainerState.load_from_json(str(self.states.path(step) / TRAINER_STATE_NAME))

    def _save_checkpoint(self, model, trial) -> None:
        step = self.state.global_step
        if self.args.should_save:
            remove(self.states.path(step))  # what a killed run began
        self.accelerator.wait_for_everyone()
        with full_disk_named(self.states.path(step)):
            super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            seal(self.states.path(step))
            self.states.prune(_KEEP, newest=step, also=self.state.best_global_step)

    def _load_best_model(self) -> None:
        # Where the folder is now: it may have been moved, or be called by another path.
        best = self.states.path(self.state.best_global_step)
        if (fault := fault_of(best)) is not None:
            raise BarcodeMAEError(
                f"{fault}. It is the best model of this run. Give the same command again: the run "
                "goes on from the newest state that does not rest on it"
            )
        self.state.best_model_checkpoint = str(best)
        super()._load_best_model()

    def loss_of(self, outputs, labels, num_items_in_batch=None) -> torch.Tensor:
        smoothing = self.finetune_arguments.label_smoothing if self.model.training else 0.0
        return lineage_loss(outputs.logits, labels, self.lineages, smoothing, num_items_in_batch)

    def create_optimizer(self, model=None) -> torch.optim.Optimizer:
        arguments = self.finetune_arguments
        self.optimizer = make_optimizer(
            parameter_groups(self.model, arguments.layer_decay),
            arguments.base_learning_rate,
            arguments.batch_size,
            arguments.weight_decay,
        )
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer=None) -> LRScheduler:
        self.lr_scheduler = one_cycle(optimizer or self.optimizer, num_training_steps)
        return self.lr_scheduler

    def _get_train_sampler(self, train_dataset=None) -> Sampler | None:
        if self.finetune_arguments.balanced_sampling:
            return BalancedSampler(self.train_dataset.labels[:, -1], self.args.seed)
        return super()._get_train_sampler(train_dataset)


def training_arguments(arguments: FinetuneArguments) -> TrainingArguments:
    processes = PartialState().num_processes
    share = share_of_batch(arguments.batch_size, arguments.gradient_accumulation_steps, processes)
    return TrainingArguments(
        output_dir=str(Path(arguments.output_dir) / "checkpoints"),
        num_train_epochs=arguments.epochs,
        per_device_train_batch_size=share,
        per_device_eval_batch_size=4 * share,
        gradient_accumulation_steps=arguments.gradient_accumulation_steps,
        max_grad_norm=arguments.max_grad_norm,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=None,  # `FinetuneTrainer` keeps the newest, once a newer one is whole
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        greater_is_better=True,
        logging_strategy="steps",
        logging_steps=20,
        seed=arguments.seed,
        bf16=arguments.mixed_precision == "bf16",
        use_cpu=arguments.cpu or not torch.cuda.is_available(),
        dataloader_num_workers=arguments.num_workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
        label_names=["labels"],
        report_to=arguments.report_to or "none",
    )


class NewFrames(TrainerCallback):
    """Tell the barcodes the epoch: Accelerate does not, on several processes with a sampler."""

    def __init__(self, barcodes: LabelledBarcodes):
        self.barcodes = barcodes

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.barcodes.set_epoch(int(state.epoch or 0))


class BarcodeCollator:
    """Tokenize the barcodes of `LabelledBarcodes`, each from its frame offset or on the grid."""

    def __init__(self, kmer_size: int, grid: Grid | None = None):
        self.kmer_size, self.grid = kmer_size, grid

    def __call__(self, items: Sequence[dict]) -> dict[str, torch.Tensor]:
        """input_ids and attention_mask (batch, length), labels (batch, ranks)."""
        sequences = [item["nucleotides"] for item in items]
        offsets = np.array([item["offset"] for item in items])
        tokens = token_batch(sequences, self.kmer_size, offsets, grid=self.grid)
        return {
            "input_ids": torch.from_numpy(tokens.ids).long(),
            "attention_mask": torch.from_numpy(tokens.is_token).long(),
            "labels": torch.from_numpy(np.stack([item["labels"] for item in items])),
        }
