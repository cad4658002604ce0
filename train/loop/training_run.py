"""A training run over barcodes: what all objectives have in common.

Everything that decides the weights follows from the arguments and the number of the step, so a run
that was stopped or killed goes on, with the same command, to the weights that it would have had
without the interruption (bit for bit on a CPU).
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict

import torch

from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.push import push_checkpoint
from train.loop.deadline import Interval
from train.loop.held_out import move
from train.loop.log import Metrics, TrainingLog
from train.loop.run_files import CONTENT, claimed, save_model
from train.loop.setup import RunSetup


class TrainingRun(RunSetup):
    """The loop over the global steps of a run. A subclass is an objective: see `RunSetup`."""

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
        identity = {**self.arguments.defines_the_run, CONTENT: self.content}
        with claimed(self.output_dir, identity, self.accelerator):
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

        log = TrainingLog(self, self.metrics, step)
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
        # Where nothing could be judged (NaN), the newest model is the best there is.
        if not result["loss"] >= self.progress.best_loss:
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
