"""Make the runs of a manifest as a user would make them, in order, as far as the time reaches.

    python -m experiments.run --data barcodes.parquet -o RESULTS --minutes 50

Trains with `accelerate launch -m train.pretrain` (or `train.finetune`), judges with
`barcodemae evaluate`, and shows all that is there in one report, RESULTS/report. The same command,
given again, goes on where the last one stopped. RESULTS holds

    runs/KEY/         what training wrote
    evaluated/KEY/    what the evaluation wrote
    logs/KEY.log      what both said
    report/           all runs side by side
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from barcodemae.errors import BarcodeMAEError
from experiments.manifest import MANIFEST, Run, read_manifest
from train.loop.script import errors_in_a_line

Execute = Callable[[Sequence[str], Path], int]


def execute(command: Sequence[str], log: Path) -> int:
    """Run a command of this Python to its end, its output added to `log`; its exit status."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as said:
        return subprocess.run(
            [sys.executable, *command], stdout=said, stderr=subprocess.STDOUT
        ).returncode


class Runner:
    """Trains, judges and shows runs.

    Args:
        output: the folder RESULTS.
        data: files with barcodes, for training and for judging.
        launcher: options of `accelerate launch`.
        minutes: after which nothing is begun and trainings save and stop; 0: when all is done.
    """

    def __init__(
        self,
        output: Path,
        data: Sequence[str],
        launcher: Sequence[str] = (),
        minutes: float = 0.0,
        execute: Execute = execute,
    ):
        self.output, self.data, self.launcher = output, data, launcher
        self.runs = output / "runs"
        self.minutes, self.begin = minutes, time.monotonic()
        self.execute = execute

    def minutes_left(self) -> float:
        return self.minutes - (time.monotonic() - self.begin) / 60 if self.minutes else float("inf")

    def evaluated(self, run: Run) -> Path:
        return self.output / "evaluated" / run.key

    def state(self, run: Run) -> str:
        if (self.evaluated(run) / "results.json").is_file():
            return "done"
        return "to be judged" if run.is_trained(self.runs) else "to be trained"

    def make(self, runs: Sequence[Run]) -> list[str]:
        """Make what is left of `runs`; the keys of those that failed, which keep no other."""
        failed: list[str] = []
        for run in runs:
            if self.state(run) == "done" or f"{run.after}-seed{run.seed}" in failed:
                continue
            if self.minutes_left() <= 0:
                break
            if not run.is_trained(self.runs) and not self._call(run, "train", self._train(run)):
                failed.append(run.key)
            elif run.is_trained(self.runs):
                command = self._evaluate(run)
                if not self._call(run, "judge", command):
                    failed.append(run.key)
        return failed

    def _train(self, run: Run) -> list[str]:
        words = ["-m", "accelerate.commands.launch", *self.launcher, "-m", f"train.{run.module}"]
        words += run.training(self.runs, self.data)
        if self.minutes:
            words += ["--stop_after_minutes", f"{max(self.minutes_left(), 0.01):.2f}"]
        return words

    def _evaluate(self, run: Run) -> list[str]:
        options = run.evaluation(self.runs, self.data, self.evaluated(run))
        return ["-m", "barcodemae", "evaluate", *options]

    def _call(self, run: Run, what: str, command: Sequence[str]) -> bool:
        print(f"{time.strftime('%H:%M:%S')} {run.key}: {what}", flush=True)
        log = self.output / "logs" / f"{run.key}.log"
        status = self.execute(command, log)
        if status:
            print(f"{run.key}: FAILED with status {status}: see {log}", flush=True)
        return not status

    def show(self, runs: Sequence[Run]) -> None:
        """One report over all that was judged."""
        merged = []
        for run in runs:
            if self.state(run) == "done":
                merged += ["--merge", str(self.evaluated(run))]
        command = ["-m", "barcodemae", "evaluate", *merged, "-o", str(self.output / "report")]
        if merged and self.execute(command, self.output / "logs" / "report.log"):
            raise BarcodeMAEError(f"no report: see {self.output / 'logs' / 'report.log'}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", default=[], help="barcodes with splits and labels")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder RESULTS")
    parser.add_argument("--manifest", type=Path, default=MANIFEST)
    parser.add_argument("--only", nargs="+", default=[], help="names of runs")
    parser.add_argument("--minutes", type=float, default=0.0, help="of this slice; 0: no end")
    parser.add_argument(
        "--launcher", nargs=argparse.REMAINDER, default=[], help="last: its options"
    )
    parser.add_argument("--list", action="store_true", help="the state of each run, and no more")
    given = parser.parse_args()
    with errors_in_a_line("experiments.run"):
        runs = read_manifest(given.manifest)
        if wrong := set(given.only) - {run.name for run in runs}:
            names = ", ".join(dict.fromkeys(run.name for run in runs))
            raise BarcodeMAEError(f"no run {', '.join(sorted(wrong))}. Runs: {names}")
        runs = [run for run in runs if not given.only or run.name in given.only]
        runner = Runner(given.output, given.data, given.launcher, given.minutes)
        failed = [] if given.list else runner.make(runs)
        if not given.list:
            runner.show(runs)
        for run in runs:
            print(f"{run.key:40} {runner.state(run)}{' (failed)' if run.key in failed else ''}")


if __name__ == "__main__":
    main()
