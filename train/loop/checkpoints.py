"""States to resume from, and finished models: always whole, whatever moment the run was killed."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from accelerate import Accelerator
from accelerate.utils import RNG_STATE_NAME, broadcast_object_list, load
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from barcodemae.errors import BarcodeMAEError, first_line
from barcodemae.outputs import full_disk_named, write_whole_text
from train.loop.manifests import States, remove, seal

_PLAIN = "state.json"


class Stateful(Protocol):
    """What has a state of JSON values (the schedule, the progress) or of tensors."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> object: ...


class Checkpoints:
    """The states of a run, under `folder`, one `step-N` each.

    A state holds what the accelerator has prepared, and what else is `tensors`, as such, and what
    is `plain`, as JSON: nothing that could run code when it is read. It is written into
    `step-N.tmp` and then renamed. The newest `keep` are kept; 0: all.
    """

    def __init__(
        self,
        folder: Path,
        accelerator: Accelerator,
        keep: int = 2,
        plain: Mapping[str, Stateful] | None = None,
        tensors: Mapping[str, Stateful] | None = None,
    ):
        self.folder = folder
        self.accelerator = accelerator
        self.keep = keep
        self.plain = plain or {}
        self.tensors = tensors or {}
        self.states = States(folder, "step")

    def save(self, step: int) -> None:
        """Save the state of everything the accelerator has prepared, and what is plain."""
        temporary = self.folder / f"step-{step}.tmp"
        if self.accelerator.is_main_process:
            remove(temporary)
            temporary.mkdir(parents=True)
        self.accelerator.wait_for_everyone()
        with full_disk_named(temporary):
            self.accelerator.save_state(str(temporary))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            plain = {name: each.state_dict() for name, each in self.plain.items()}
            write_whole_text(temporary / _PLAIN, json.dumps(plain) + "\n")
            with full_disk_named(temporary):
                for name, each in self.tensors.items():
                    save_file(each.state_dict(), temporary / f"{name}.safetensors")
            seal(temporary)
            remove(self.states.path(step))
            temporary.rename(self.states.path(step))
            self.states.prune(self.keep, newest=step)
        self.accelerator.wait_for_everyone()

    def resume(self) -> int:
        """Load the newest whole state; its step, or 0 where there is none.

        The main process says which ones are damaged, and in what.

        Raises:
            BarcodeMAEError: a state whose checksums are right cannot be loaded.
        """
        found: list[int | None] = [None]
        if self.accelerator.is_main_process:
            self.states.sweep()
            found = [self.states.newest_whole(print)]
        step = broadcast_object_list(found)[0]
        if step is None:
            return 0
        self._load(self.states.path(step))
        return step

    def _load(self, folder: Path) -> None:
        random = folder / f"{RNG_STATE_NAME}_{self.accelerator.process_index}.pkl"
        try:
            if random.exists():
                load(random)  # Accelerate lets one pass in silence that it cannot read
            self.accelerator.load_state(str(folder))
            plain = json.loads((folder / _PLAIN).read_text(encoding="utf-8"))
            for name, each in self.plain.items():
                _load_plain(each, plain[name])
            for name, each in self.tensors.items():
                each.load_state_dict(load_file(folder / f"{name}.safetensors"))
        except (
            *(pickle.UnpicklingError, SafetensorError, RuntimeError, OSError, EOFError),
            *(ValueError, TypeError, KeyError, AttributeError, IndexError),
        ) as error:
            raise BarcodeMAEError(
                f"{folder}: holds another thing than the state of this run ({first_line(error)}). "
                "Remove this folder: the run then goes on from the state before it"
            ) from error


def _load_plain(each: Stateful, state: dict) -> None:
    now = each.state_dict()
    if state.keys() != now.keys():
        raise ValueError(f"{_PLAIN} lacks, or has beside it, {sorted(state.keys() ^ now.keys())}")
    each.load_state_dict(state)
