"""Pretrain a BarcodeMAE, on one CPU core or on several nodes with GPUs.

    accelerate launch -m train.pretrain --config train/configs/barcodemae-k6.yaml \\
        --train_data pretrain.csv --output_dir runs/barcodemae-k6

The same command, given again, goes on where the run was stopped or killed, to the weights that
it would have had without the interruption (bit for bit on a CPU). OUTPUT_DIR holds

    best/, last/      complete model directories: of the lowest validation loss, of the last step
    metrics.jsonl     a line for each logged step and each validation
    arguments.json    what the run was started with
    checkpoints/      states to resume from
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import torch
import yaml
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch.utils.data import DataLoader

from barcodemae import BarcodeMAEConfig, BarcodeMAEForMaskedLM
from barcodemae.data import read_barcodes
from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.push import push_checkpoint
from train.arguments import PretrainArguments, parse_arguments
from train.barcodes import Draws, ShareOfDraws, hold_out
from train.batch_size import largest_batch_size
from train.checkpoints import Checkpoints
from train.compilation import StaticShapes, compile_model
from train.log import Metrics, TrainingLog
from train.masking import MaskingCollator
from train.optimization import make_optimizer, one_cycle
from train.records import Progress, claim_output_dir, save_model
from train.validation import context_free_guess, hidden_tokens_right, move, validate

_VALIDATION_SEED = 20_250_218  # fixed: the same masks in every validation of every run
_BARCODES_FOR_GUESS = 20_000


class Pretraining:
    """A run: everything that the loop needs, set up once."""

    def __init__(self, arguments: PretrainArguments):
        self.arguments = arguments
        self.accelerator = make_accelerator(arguments)
        self.output_dir = Path(arguments.output_dir)
        with self.accelerator.main_process_first():
            barcodes = read_barcodes(
                arguments.train_data,
                split=arguments.split or None,
                phylum=arguments.phylum or None,
                min_length=arguments.min_length or None,
                on_error=arguments.on_error,
                progress=self.accelerator.is_main_process,
            )
        rows, held_out = hold_out(len(barcodes), arguments.validation_share, arguments.seed)
        self.training = Draws(barcodes, rows, arguments.seed)
        self.validation = Draws(barcodes, held_out, seed=None)

        self.global_batch = (
            arguments.batch_size
            * arguments.gradient_accumulation_steps
            * self.accelerator.num_processes
        )
        self.steps_per_epoch = max(1, round(len(rows) / self.global_batch))
        self.push_every = round(arguments.push_every * self.steps_per_epoch)
        self.total_steps = arguments.max_steps or int(
            arguments.epochs * len(rows) / self.global_batch
        )
        if self.total_steps < 1:
            raise BarcodeMAEError(
                f"{len(rows)} barcodes and {arguments.epochs} epochs do not fill one global batch "
                f"of {self.global_batch}: use a smaller --batch_size or more --epochs"
            )

        set_seed(arguments.seed)
        self.config = BarcodeMAEConfig.preset(
            arguments.preset, **(yaml.safe_load(arguments.model_overrides) or {})
        )
        model = BarcodeMAEForMaskedLM(self.config)
        if arguments.auto_batch_size:
            self._fit_batch(model.to(self.accelerator.device))
        if arguments.compile:
            compile_model(model, arguments.compile_mode)
        optimizer = make_optimizer(
            model.parameters(),
            arguments.base_learning_rate,
            self.global_batch,
            arguments.weight_decay,
        )
        self.schedule = one_cycle(optimizer, self.total_steps)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        # Dropout must differ between processes; the weights have been drawn alike.
        set_seed(arguments.seed, device_specific=True)
        self.progress = Progress()
        self.accelerator.register_for_checkpointing(self.schedule, self.progress)
        self.checkpoints = Checkpoints(
            self.output_dir / "checkpoints", self.accelerator, arguments.keep_checkpoints
        )

    def _fit_batch(self, model: BarcodeMAEForMaskedLM) -> None:
        """Divide the global batch into parts that fit in memory."""
        arguments = self.arguments
        size = largest_batch_size(model, arguments.batch_size, self.accelerator)
        arguments.gradient_accumulation_steps *= arguments.batch_size // size
        self.accelerator.print(
            f"batches of {size}, {arguments.gradient_accumulation_steps} in a step"
        )
        arguments.batch_size = size

    def training_batches(self, first_step: int) -> DataLoader:
        accumulation = self.arguments.gradient_accumulation_steps
        batches = range(first_step * accumulation, self.total_steps * accumulation)
        collator = MaskingCollator(
            self.config.kmer_size,
            self.config.mask_ratio,
            self.arguments.seed,
            random_offset=self.arguments.random_offset,
            replace=self.arguments.replace,
        )
        return self._loader(self.training, batches, collator)

    def validation_batches(self) -> DataLoader:
        share = self.arguments.batch_size * self.accelerator.num_processes
        batches = range(-(-len(self.validation) // share))
        collator = MaskingCollator(
            self.config.kmer_size,
            self.config.mask_ratio,
            _VALIDATION_SEED,
            random_offset=False,
            end=len(self.validation),
        )
        return self._loader(self.validation, batches, collator)

    def _loader(self, draws: Draws, batches: range, collator: MaskingCollator) -> DataLoader:
        return DataLoader(
            draws,
            batch_sampler=ShareOfDraws(
                batches,
                self.arguments.batch_size,
                self.accelerator.process_index,
                self.accelerator.num_processes,
            ),
            collate_fn=StaticShapes(collator) if self.arguments.compile else collator,
            num_workers=self.arguments.num_workers,
            pin_memory=self.accelerator.device.type == "cuda",
            # Workers seed themselves from this; unset, it would advance the generator of dropout.
            generator=torch.Generator().manual_seed(self.arguments.seed),
        )

    def step(self, batches: list[dict]) -> torch.Tensor:
        """One global step: (3,) loss sum, right and all hidden k-mers of this process's batches."""
        batches = [move(batch, self.accelerator.device) for batch in batches]
        hidden = sum((batch["labels"] != -100).sum() for batch in batches)
        # Gradients are averaged over processes, so the mean over all hidden k-mers of the global
        # batch is each process's sum over this share of their number.
        share = self.accelerator.reduce(hidden.float(), "mean").clamp(min=1)
        seen = torch.zeros(3, device=self.accelerator.device)
        for number, batch in enumerate(batches, start=1):
            is_last = number == len(batches)
            with nullcontext() if is_last else self.accelerator.no_sync(self.model):
                with self.accelerator.autocast():
                    output = self.model(**batch, num_items_in_batch=share)
                self.accelerator.backward(output.loss)
            right = hidden_tokens_right(output, batch["labels"])
            seen[:2] += torch.stack([output.loss.detach().float() * share, right.float()])
        seen[2] = hidden
        if self.arguments.max_grad_norm:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.arguments.max_grad_norm)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return seen

    def run(self) -> None:
        """Train to the end, or to `stop_after`."""
        claim_output_dir(self.output_dir, self._identity(), self.accelerator)
        step = self.checkpoints.resume()
        self.metrics = Metrics(self.output_dir, self.accelerator, self.arguments, resume_at=step)
        if step:
            self.accelerator.print(f"resumed at step {step} of {self.total_steps}")
        elif self.accelerator.is_main_process:
            self._record_guess()

        arguments = self.arguments
        log = TrainingLog(
            self.metrics, self.progress, self.schedule, self.global_batch, step, self.total_steps
        )
        batches = iter(self.training_batches(step))
        self.model.train()
        while step < self.total_steps:
            log.add(
                self.step([next(batches) for _ in range(arguments.gradient_accumulation_steps)])
            )
            step += 1
            is_end = step in (self.total_steps, arguments.stop_after)
            checkpoints = step % (arguments.checkpoint_every or self.steps_per_epoch) == 0 or is_end
            validates = step % (arguments.validate_every or self.steps_per_epoch) == 0 or is_end
            pushes = self.push_every and step % self.push_every == 0 and not is_end
            # A checkpoint holds no half-counted metrics: it logs what there is first.
            if step % arguments.log_every == 0 or checkpoints or validates or pushes:
                log.write(step)
            if validates:
                self._validate(step)
            if checkpoints:
                self.checkpoints.save(step)
            if pushes:
                self._push()
            if validates or checkpoints or pushes:
                log.restart_clock()
            if step == arguments.stop_after:
                break
        log.close()
        if step == self.total_steps:
            self._save("last", step)
            self._push()
        self.metrics.close()

    def _identity(self) -> dict:
        return {**self.arguments.defines_the_run, "global_batch": self.global_batch}

    def _record_guess(self) -> None:
        draws = range(min(len(self.training), _BARCODES_FOR_GUESS))
        sample = [self.training[draw][1] for draw in draws]
        guess = context_free_guess(sample, self.validation_batches(), self.config.kmer_size)
        self.metrics.write(0, guess_loss=guess["loss"], guess_accuracy=guess["accuracy"])

    def _validate(self, step: int) -> None:
        result = validate(self.model, self.validation_batches(), self.accelerator)
        self.metrics.write(
            step, validation_loss=result["loss"], validation_accuracy=result["accuracy"]
        )
        self.progress.validation = result
        if result["loss"] < self.progress.best_loss:
            self.progress.best_loss = result["loss"]
            self._save("best", step)

    def _push(self) -> None:
        """Push the best model so far, when asked; a fault is told and does not end the run."""
        if self.arguments.push_to_hub and self.accelerator.is_main_process:
            try:
                push_checkpoint(self.output_dir / "best", self.arguments.push_to_hub)
            except BarcodeMAEError as error:
                print(f"train.pretrain: not pushed: {error}", file=sys.stderr)
        self.accelerator.wait_for_everyone()

    def _save(self, name: str, step: int) -> None:
        save_model(
            self.output_dir / name,
            self.accelerator,
            self.model,
            arguments=asdict(self.arguments),
            data={"train_data": self.arguments.train_data, "n_barcodes": len(self.training)},
            steps=step,
            epochs=step * self.global_batch / len(self.training),
            barcodes_seen=step * self.global_batch,
            seconds=round(self.progress.seconds, 1),
            validation=self.progress.validation,
        )


def make_accelerator(arguments: PretrainArguments) -> Accelerator:
    """Accelerate, on the CPU where there is no GPU.

    Raises:
        BarcodeMAEError: the launcher started several processes and they do not find one another.
    """
    accelerator = Accelerator(
        # Several processes on CPUs find one another only when this is said.
        cpu=arguments.cpu or not torch.cuda.is_available(),
        mixed_precision=arguments.mixed_precision,
        log_with=arguments.report_to or None,
        project_dir=arguments.output_dir,
    )
    world_size = int(os.environ.get("WORLD_SIZE", 1))
    if accelerator.num_processes != world_size:
        raise BarcodeMAEError(
            f"{world_size} processes were started, but each one trains alone "
            f"({accelerator.num_processes} found). Start them with accelerate launch "
            "--multi_gpu --num_processes N (on CPUs too, where the script gets --cpu)."
        )
    return accelerator


def main() -> None:
    try:
        Pretraining(parse_arguments()).run()
    except BarcodeMAEError as error:
        print(f"train.pretrain: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
