"""States to resume from, and finished models: always whole, whatever moment the run was killed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from accelerate import Accelerator

_STEP = re.compile(r"step-(\d+)")


class Checkpoints:
    """The states of a run, under `folder`, one `step-N` each.

    A state is written into `step-N.tmp` and then renamed: a folder without that ending is
    complete. The newest `keep` are kept; 0: all.
    """

    def __init__(self, folder: Path, accelerator: Accelerator, keep: int = 2):
        self.folder = folder
        self.accelerator = accelerator
        self.keep = keep

    def steps(self) -> list[int]:
        """Steps with a complete state, oldest first."""
        matches = (_STEP.fullmatch(path.name) for path in self.folder.glob("step-*"))
        return sorted(int(match[1]) for match in matches if match)

    def save(self, step: int) -> None:
        """Save the state of everything the accelerator has prepared or registered."""
        temporary = self.folder / f"step-{step}.tmp"
        if self.accelerator.is_main_process:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(temporary))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            shutil.rmtree(self.folder / f"step-{step}", ignore_errors=True)
            temporary.rename(self.folder / f"step-{step}")
            for old in self.steps()[: -self.keep] if self.keep else []:
                # Renamed first: a removal that is cut short must not look like a complete state.
                doomed = (self.folder / f"step-{old}").rename(self.folder / f"step-{old}.tmp")
                shutil.rmtree(doomed)
        self.accelerator.wait_for_everyone()

    def resume(self) -> int:
        """Load the newest complete state; its step, or 0 where there is none."""
        steps = self.steps()
        if not steps:
            return 0
        self.accelerator.load_state(str(self.folder / f"step-{steps[-1]}"))
        return steps[-1]


def replace_directory(new: Path, final: Path) -> None:
    """Put the directory `new` in the place of `final`; a kill leaves one of the two complete."""
    old = final.with_name(final.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    new.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def recover_directory(final: Path) -> None:
    """Undo a `replace_directory` that was killed half-way."""
    old = final.with_name(final.name + ".old")
    if old.exists() and not final.exists():
        old.rename(final)
    shutil.rmtree(old, ignore_errors=True)
