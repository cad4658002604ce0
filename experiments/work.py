"""One run with one seed: where it lies, how far it is, and what its script is told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.manifest import MODULES, Manifest, Run, command_line

# What each script writes last.
_LAST_WRITTEN = {"pretrain": "last", "distill": "last", "finetune": "best"}


@dataclass(frozen=True)
class Work:
    """A run of the manifest with one of its seeds.

    Attributes:
        scale: its epochs, as a share of those in the manifest.
        runs: the folder that holds the folders of all runs.
        origin: the work whose best model it starts from.
    """

    run: Run
    seed: int
    scale: float
    runs: Path
    origin: Work | None = None

    @classmethod
    def of(cls, manifest: Manifest, run: Run, seed: int, scale: float, runs: Path) -> Work:
        """With the origin of the same seed, or of its first where it has not that one."""
        if not run.after:
            return cls(run, seed, scale, runs)
        before = manifest.run(run.after)
        its_seed = seed if seed in before.seeds else before.seeds[0]
        return cls(run, seed, scale, runs, cls.of(manifest, before, its_seed, scale, runs))

    def chain(self) -> Iterator[Work]:
        """What has to be trained for it, in order; itself last."""
        if self.origin:
            yield from self.origin.chain()
        yield self

    @property
    def key(self) -> str:
        """Its name on disk and in the results; with another budget it is another run."""
        scaled = self.run.epochs and self.scale != 1
        name = re.sub(r"[^\w.-]", "-", self.run.name)
        return f"{name}-seed{self.seed}" + (f"-x{self.scale:g}" if scaled else "")

    @property
    def epochs(self) -> float:
        return self.run.epochs * self.scale

    @property
    def folder(self) -> Path:
        return self.runs / self.key

    @property
    def model(self) -> str:
        """What is judged, as `barcodemae evaluate --model` reads it."""
        return self.run.model or str(self.folder / "best")

    def is_trained(self) -> bool:
        if self.run.module == "none":
            return True
        return (self.folder / _LAST_WRITTEN[self.run.module] / "training.json").is_file()

    def steps(self) -> int:
        """The step of the newest complete state; 0: nothing has been trained."""
        names = (path.name for path in (self.folder / "checkpoints").glob("*"))
        steps = (re.fullmatch(r"(?:step|checkpoint)-(\d+)", name) for name in names)
        return max((int(step[1]) for step in steps if step), default=0)

    def arguments(self, data: Sequence[str], minutes: float, cpu: bool) -> list[str]:
        """The command line of its script, which is to stop after so many `minutes`."""
        given = {
            **self.run.arguments,
            "train_data": list(data),
            "output_dir": str(self.folder),
            "epochs": self.epochs,
            "seed": self.seed,
            "stop_after_minutes": minutes,
        }
        if cpu:
            given["cpu"] = True
        if self.origin:
            given[MODULES[self.run.module][1]] = self.origin.model
        return command_line(given)


def all_work(manifest: Manifest, runs: Sequence[Run], scale: float, folder: Path) -> Iterator[Work]:
    """All runs with their first seed, then all with their second, and so on."""
    for place in range(max((len(run.seeds) for run in runs), default=0)):
        for run in runs:
            if place < len(run.seeds):
                yield Work.of(manifest, run, run.seeds[place], scale, folder)
