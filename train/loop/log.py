"""What a run tells while it goes: JSON lines, trackers, a progress bar or lines in a log file."""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from tqdm import tqdm

from barcodemae.errors import BarcodeMAEError
from barcodemae.outputs import write_whole_text
from train.loop.arguments import LoopArguments

if TYPE_CHECKING:
    from train.loop.setup import RunSetup


class Metrics:
    """JSON lines, always, and Accelerate's trackers when asked; written by the main process."""

    def __init__(
        self,
        output_dir: Path,
        accelerator: Accelerator,
        arguments: LoopArguments,
        resume_at: int,
    ):
        self.accelerator = accelerator
        if arguments.report_to:
            plain = {
                name: value if isinstance(value, (int, float, str, bool)) else json.dumps(value)
                for name, value in asdict(arguments).items()
            }
            accelerator.init_trackers("barcodemae", config=plain)
        self.file = None
        if accelerator.is_main_process:
            path = output_dir / "metrics.jsonl"
            # What a killed run logged after its last checkpoint will be logged again.
            write_whole_text(path, "".join(_lines_up_to(resume_at, path) if resume_at else []))
            self.file = path.open("a", encoding="utf-8")

    def write(self, step: int, **values: float) -> None:
        if self.file:
            self.file.write(json.dumps({"step": step, **values}) + "\n")
            self.file.flush()
        self.accelerator.log(values, step=step)

    def close(self) -> None:
        if self.file:
            self.file.close()
        self.accelerator.end_training()


def _lines_up_to(step: int, path: Path) -> list[str]:
    """The lines of the metrics up to a step; of what is damaged a line is printed."""
    if not path.exists():
        return []
    kept, damaged = [], []
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        try:
            if line.endswith("\n") and json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, TypeError, KeyError):
            damaged.append(number)
    if damaged:
        print(f"{path}: {len(damaged)} damaged lines are left out, the first is line {damaged[0]}")
    return kept


class TrainingLog:
    """Training metrics since they were last written: on the progress bar and in `metrics`.

    Where no terminal shows the bar (a log file, a batch job), each group is a line of its own.
    """

    def __init__(self, run: RunSetup, metrics: Metrics, step: int):
        self.run, self.metrics, self.measures = run, metrics, run.measures
        self.accelerator = run.accelerator
        number = len(self.measures) + sum(map(len, self.measures))
        self.sums = torch.zeros(number, device=self.accelerator.device)
        self.written_at = step
        self.bar = tqdm(
            total=run.total_steps,
            initial=step,
            unit="step",
            disable=None if self.accelerator.is_main_process else True,  # None: if no terminal
        )
        self.restart_clock()

    def restart_clock(self) -> None:
        """Validation and checkpoints do not count as training time."""
        self.clock = time.perf_counter()

    def add(self, sums: torch.Tensor) -> None:
        """What `TrainingRun.step` returns; it stays on the device."""
        self.sums += sums
        self.bar.update()

    def write(self, step: int) -> None:
        if step == self.written_at:
            return
        found = iter(self.accelerator.reduce(self.sums, "sum").tolist())
        means = {}
        for names in self.measures:
            sums = [next(found) for _ in names]
            count = max(next(found), 1)
            means |= {name: value / count for name, value in zip(names, sums, strict=True)}
        self._refuse_nonsense(step, means)
        seconds = time.perf_counter() - self.clock
        speed = (step - self.written_at) * self.run.global_batch / seconds
        self.run.progress.seconds += seconds
        self.metrics.write(
            step,
            barcodes=step * self.run.global_batch,
            **means,
            learning_rate=self.run.schedule.get_last_lr()[0],
            barcodes_per_second=speed,
        )
        shown = "".join(f"{name} {value:.3f}, " for name, value in means.items())
        shown += f"{speed:.0f} barcodes/s"
        if not self.bar.disable:
            self.bar.set_postfix_str(shown)
        elif self.accelerator.is_main_process:
            print(f"step {step} of {self.bar.total}: {shown}", file=sys.stderr, flush=True)
        self.sums.zero_()
        self.written_at = step
        self.restart_clock()

    def _refuse_nonsense(self, step: int, means: dict[str, float]) -> None:
        """Before a checkpoint is written: weights that came to nothing are not gone on from."""
        broken = [name for name, value in means.items() if not math.isfinite(value)]
        if broken:
            raise BarcodeMAEError(
                f"step {step}: {broken[0]} is {means[broken[0]]}: training has run away. The "
                "checkpoints before it are whole; start again in another --output_dir with a lower "
                "--base_learning_rate, or with --max_grad_norm 1"
            )

    def close(self) -> None:
        self.bar.close()
