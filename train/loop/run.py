"""A training run over barcodes: what all objectives have in common.

Everything that decides the weights follows from the arguments and the number of the step, so a run
that was stopped or killed goes on, with the same command, to the weights that it would have had
without the interruption (bit for bit on a CPU).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import datasets
import numpy as np
import torch
import yaml
from accelerate.utils import set_seed
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from barcodemae import BarcodeMAEConfig
from barcodemae.cells import printable
from barcodemae.data.reading import FIRST, MERGE, read_barcodes
from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.push import push_checkpoint
from barcodemae.presets import preset_config
from train.loop.arguments import LoopArguments
from train.loop.averaging import WeightAverage
from train.loop.barcodes import Draws, ShareOfDraws, hold_out
from train.loop.checkpoints import Checkpoints
from train.loop.deadline import Deadline, Interval
from train.loop.devices import make_accelerator, share_of_batch
from train.loop.held_out import move
from train.loop.log import Metrics, TrainingLog
from train.loop.optimization import make_optimizer, one_cycle
from train.loop.records import Progress, claimed, save_model

Collator = Callable[[Sequence[tuple]], dict]


class TrainingRun(ABC):
    """Everything that the loop over global steps needs, set up once, and the loop.

    A subclass says which model learns, from which batches, by which loss, and how it is judged.

    Attributes:
        script: the name that messages go by.
        next_command: what to do with the model in `{best}`.
        measures: what `loss_of` sums up, by its name in the log, in groups that are summed over the
            same; the loss is the first.
        fresh: barcodes of a step that an epoch is made of.
    """

    script: str
    next_command = "barcodemae embed QUERIES -o embeddings.parquet --model {best}"
    measures: tuple[tuple[str, ...], ...] = (("loss",),)

    def __init__(self, arguments: LoopArguments, config: BarcodeMAEConfig):
        self.arguments = arguments
        self.config = config
        self.deadline = Deadline(arguments.stop_after_minutes)
        self.accelerator = make_accelerator(arguments)
        self.output_dir = Path(arguments.output_dir)
        with self.accelerator.main_process_first():
            barcodes = self.read()
        self.global_batch = arguments.batch_size
        self.batch_size = share_of_batch(
            arguments.batch_size,
            arguments.gradient_accumulation_steps,
            self.accelerator.num_processes,
        )
        self.fresh = self.global_batch
        rows, held_out = self.hold_out(barcodes)
        self.training, self.validation = self.make_draws(barcodes, rows, held_out)
        self.steps_per_epoch = max(1, round(len(rows) / self.fresh))
        self.total_steps = arguments.max_steps or int(arguments.epochs * len(rows) / self.fresh)
        if self.total_steps < 1:
            raise BarcodeMAEError(
                f"{len(rows)} barcodes and {arguments.epochs} epochs do not fill one global batch "
                f"of {self.global_batch}: use a smaller --batch_size or more --epochs"
            )

        set_seed(arguments.seed)
        model = self.make_model()
        optimizer = self.make_optimizer(model)
        self.schedule = self.make_schedule(optimizer)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        # Dropout must differ between processes; the weights have been drawn alike.
        set_seed(arguments.seed, device_specific=True)
        self.progress = Progress()
        self.average = self.make_average()
        self.checkpoints = Checkpoints(
            self.output_dir / "checkpoints",
            self.accelerator,
            arguments.keep_checkpoints,
            plain={"schedule": self.schedule, "progress": self.progress},
            tensors={"average": self.average} if self.average else {},
        )

    def hold_out(self, barcodes: datasets.Dataset) -> tuple[np.ndarray, np.ndarray]:
        """Rows for training and rows for validation."""
        return hold_out(len(barcodes), self.arguments.validation_share, self.arguments.seed)

    def make_optimizer(self, model: torch.nn.Module) -> torch.optim.Optimizer:
        """AdamW as in the paper."""
        arguments = self.arguments
        return make_optimizer(
            model.parameters(),
            arguments.base_learning_rate,
            self.global_batch,
            arguments.weight_decay,
        )

    def make_schedule(self, optimizer: torch.optim.Optimizer) -> LRScheduler:
        """OneCycle as in the paper."""
        return one_cycle(optimizer, self.total_steps)

    def make_average(self) -> WeightAverage | None:
        """The moving average of the weights that is judged and saved; None: they are themselves."""
        return None

    def read(self) -> Sized:
        """What `train_data` holds: barcodes, or what else draws are made of."""
        labelled = bool(getattr(self.arguments, "label_rank", ""))
        return read_barcodes(
            self.arguments.train_data,
            split=self.arguments.split or None,
            phylum=self.arguments.phylum or None,
            min_length=self.arguments.min_length or None,
            # Of equal barcodes the first may lack the label that another has.
            repeats=MERGE if labelled else FIRST,
            labels_matter=labelled,
            ids="keep",
            degap=self.arguments.degap,
            on_error=self.arguments.on_error,
            progress=self.accelerator.is_main_process,
        )

    def make_draws(
        self, barcodes: datasets.Dataset, rows: np.ndarray, held_out: np.ndarray
    ) -> tuple[Draws, Draws]:
        """What training and what validation draws from."""
        return Draws(barcodes, rows, self.arguments.seed), Draws(barcodes, held_out, seed=None)

    @abstractmethod
    def make_model(self) -> torch.nn.Module:
        """The model, not yet on its device; random weights follow from the seed."""

    @abstractmethod
    def training_collator(self) -> Collator: ...

    @abstractmethod
    def validation_collator(self) -> Collator:
        """Draws from `len(self.validation)` on only fill up a batch and must not count."""

    @abstractmethod
    def count(self, batch: dict) -> torch.Tensor:
        """(groups,) what the measures of a batch are summed over."""

    @abstractmethod
    def loss_of(
        self, batch: dict, shares: torch.Tensor
    ) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
        """The loss to descend, each group's sum divided by its share; the sum of each measure."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """How well the held-out barcodes do, `loss` among it, of every process together."""

    @abstractmethod
    def record_start(self) -> None:
        """Note in the metrics what the training is to be compared with."""

    def training_batches(self, first_step: int) -> DataLoader:
        accumulation = self.arguments.gradient_accumulation_steps
        batches = range(first_step * accumulation, self.total_steps * accumulation)
        accelerator, collator = self.accelerator, self.training_collator()
        share = accelerator.process_index, accelerator.num_processes
        return self._loader(self.training, batches, collator, *share)

    def validation_batches(self) -> DataLoader:
        """This process's share of the held-out barcodes."""
        return self._held_out(self.accelerator.process_index, self.accelerator.num_processes)

    def all_validation_batches(self) -> DataLoader:
        """All held-out barcodes, for what one process works out alone."""
        return self._held_out(0, 1)

    def _held_out(self, process: int, processes: int) -> DataLoader:
        batches = range(-(-len(self.validation) // (self.batch_size * processes)))
        collator = self.validation_collator()
        return self._loader(self.validation, batches, collator, process, processes)

    def _loader(
        self, draws: Draws, batches: range, collator: Collator, process: int, processes: int
    ) -> DataLoader:
        return DataLoader(
            draws,
            batch_sampler=ShareOfDraws(batches, self.batch_size, process, processes),
            collate_fn=collator,
            num_workers=self.arguments.num_workers,
            pin_memory=self.accelerator.device.type == "cuda",
            # Workers seed themselves from this; unset, it would advance the generator of dropout.
            generator=torch.Generator().manual_seed(self.arguments.seed),
        )

    def step(self, batches: list[dict]) -> torch.Tensor:
        """One global step on this process's batches.

        Returns:
            (measures + groups,) group by group: the sums, and what they are summed over.
        """
        batches = [move(batch, self.accelerator.device) for batch in batches]
        counts = sum(self.count(batch) for batch in batches).float()
        # Gradients are averaged over processes, so the mean over all that the global batch counts
        # is each process's sum over this share of their number.
        shares = self.accelerator.reduce(counts, "mean").clamp(min=1)
        seen = torch.zeros(sum(map(len, self.measures)), device=self.accelerator.device)
        for number, batch in enumerate(batches, start=1):
            is_last = number == len(batches)
            with nullcontext() if is_last else self.accelerator.no_sync(self.model):
                with self.accelerator.autocast():
                    loss, sums = self.loss_of(batch, shares)
                self.accelerator.backward(loss)
            seen += torch.stack([value.detach().float() for value in sums])
        if self.arguments.max_grad_norm:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.arguments.max_grad_norm)
        self.optimizer.step()
        if self.average:
            self.average.update()
        self.schedule.step()
        self.optimizer.zero_grad()
        groups = zip(seen.split([len(names) for names in self.measures]), counts, strict=True)
        return torch.cat([part for sums, count in groups for part in (sums, count[None])])

    def run(self) -> None:
        """Train to the end, for `stop_after_minutes`, or until a signal says to stop."""
        with claimed(self.output_dir, self.arguments.defines_the_run, self.accelerator):
            step = self._run()
        if step < self.total_steps:
            state = self.checkpoints.states.path(step)
            reached = f"step {step} of {self.total_steps}, saved in {state}"
            self.deadline.end(self.accelerator.print, reached)
        else:
            self.accelerator.print(self._ending())

    def _run(self) -> int:
        """The step that was reached."""
        step = self.checkpoints.resume()
        self.metrics = Metrics(self.output_dir, self.accelerator, self.arguments, resume_at=step)
        if step:
            self.accelerator.print(f"resumed at step {step} of {self.total_steps}")
        else:
            self.record_start()

        log = TrainingLog(
            self.metrics,
            self.measures,
            self.progress,
            self.schedule,
            self.global_batch,
            step,
            self.total_steps,
        )
        with self.deadline:
            step = self._train(log, step)
        log.close()
        if step == self.total_steps:
            with self._averaged():
                self._save("last", step)
            self._push()
        self.metrics.close()
        return step

    def _train(self, log: TrainingLog, step: int) -> int:
        """The step that was reached."""
        arguments = self.arguments
        batches = iter(self.training_batches(step))
        interval = Interval(arguments.checkpoint_minutes)
        self.model.train()
        while step < self.total_steps:
            log.add(
                self.step([next(batches) for _ in range(arguments.gradient_accumulation_steps)])
            )
            step += 1
            is_end = step == self.total_steps
            # The clock adds no validation, so it has no say in which model is the best.
            stops = is_end or self.deadline.has_passed(step % arguments.log_every == 0)
            checkpoints = step % (arguments.checkpoint_every or self.steps_per_epoch) == 0 or stops
            checkpoints |= interval.has_passed(step % arguments.log_every == 0)
            validates = step % (arguments.validate_every or self.steps_per_epoch) == 0 or is_end
            # A checkpoint holds no half-counted metrics: it logs what there is first.
            if step % arguments.log_every == 0 or checkpoints or validates:
                log.write(step)
            if validates:
                with self._averaged():
                    self._validate(step)
            if checkpoints:
                self.checkpoints.save(step)
                interval.restart()
            if validates or checkpoints:
                log.restart_clock()
            if stops:
                break
        return step

    def _averaged(self) -> AbstractContextManager:
        return self.average.in_place() if self.average else nullcontext()

    def _validate(self, step: int) -> None:
        result = self.validate()
        self.metrics.write(step, **{f"validation_{name}": value for name, value in result.items()})
        self.progress.validation = result
        if result["loss"] < self.progress.best_loss:
            self.progress.best_loss = result["loss"]
            self.progress.best = {"step": step, **result}
            self._save("best", step)

    def _ending(self) -> str:
        """The best score, where it is, and what to run next."""
        best = dict(self.progress.best)
        at = best.pop("step", self.total_steps)
        scores = ", ".join(f"{name} {value:.4g}" for name, value in best.items())
        where = self.output_dir / "best"
        return (
            f"{self.script}: done, {self.total_steps} steps. Best on held-out barcodes: {scores} "
            f"at step {at}, in {where}. Next: {self.next_command.format(best=where)}"
        )

    def _push(self) -> None:
        """Push the best model, when asked; a fault is told and does not end the run."""
        if self.arguments.push_to_hub and self.accelerator.is_main_process:
            try:
                best = self.output_dir / "best"
                push_checkpoint(best, self.arguments.push_to_hub, private=True)
            except BarcodeMAEError as error:
                print(f"{self.script}: not pushed: {error}", file=sys.stderr)
        self.accelerator.wait_for_everyone()

    def _save(self, name: str, step: int) -> None:
        save_model(
            self.output_dir / name,
            self.accelerator,
            self.model,
            arguments=asdict(self.arguments),
            data={"train_data": self.arguments.train_data, **self.training.record},
            steps=step,
            epochs=step * self.fresh / len(self.training),
            barcodes_seen=step * self.global_batch,
            seconds=round(self.progress.seconds, 1),
            validation=self.progress.validation,
        )


def make_config(arguments: LoopArguments) -> BarcodeMAEConfig:
    """The preset with `model_overrides` on top.

    Raises:
        BarcodeMAEError: there is no such preset, the overrides are not YAML fields, or a value is
            not allowed.
    """
    overrides = read_overrides(arguments)
    try:
        return preset_config(arguments.preset, **overrides)
    except ValueError as error:
        raise BarcodeMAEError(f"--preset, --model_overrides: {error}") from error


def read_overrides(arguments) -> dict:
    """The fields that `--model_overrides` names.

    Raises:
        BarcodeMAEError: it is not YAML, or holds no fields.
    """
    try:
        overrides = yaml.safe_load(arguments.model_overrides) or {}
    except yaml.YAMLError as error:
        raise BarcodeMAEError(f"--model_overrides: not YAML: {error}") from error
    if not isinstance(overrides, dict):
        raise BarcodeMAEError(
            f"--model_overrides {arguments.model_overrides!r}: must hold fields, for example "
            '"{mask_ratio: 0.65}"'
        )
    return overrides


@contextmanager
def errors_in_a_line(script: str) -> Iterator[None]:
    """End the program with exit status 2 and one line where a BarcodeMAEError is raised.

    Ctrl-C and SIGTERM end it with 128 and the signal's number, as shells expect, and a line, too.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except (BarcodeMAEError, OSError) as error:
        line = printable(f"{script}: {error}")
        print(line, file=sys.stderr)
        _tell_launcher(line)
        sys.exit(2)
    except KeyboardInterrupt as error:
        number = error.args[0] if error.args else signal.SIGINT
        print(
            f"{script}: stopped by {signal.Signals(number).name}. What was saved before is whole: "
            "the same command goes on from there",
            file=sys.stderr,
        )
        sys.exit(128 + number)
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell_launcher(line: str) -> None:
    """Have torch's launcher of several processes end its traceback with what was wrong."""
    if path := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        said = {"message": line, "extraInfo": {"timestamp": str(int(time.time()))}}
        Path(path).write_text(json.dumps({"message": said}))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)
