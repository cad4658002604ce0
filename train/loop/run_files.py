"""What a run writes: model directories, and what it was started with."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import accelerate
import pandas as pd
import pyarrow as pa
import torch
import transformers
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from barcodemae.data.repeats import hash_values
from barcodemae.directories import recover, whole_directory
from barcodemae.errors import BarcodeMAEError
from barcodemae.outputs import held_folder, write_whole_text

_ARGUMENTS = "arguments.json"
CONTENT = "what train_data holds"


@dataclass
class Progress:
    """What a resumed run must know beside weights, optimizer and schedule."""

    best_loss: float = float("inf")
    seconds: float = 0.0
    validation: dict = field(default_factory=dict)
    best: dict = field(default_factory=dict)

    def state_dict(self) -> dict:
        return asdict(self)

    def load_state_dict(self, state: dict) -> None:
        self.__dict__.update(state)


def digest_of(table: pa.Table | pd.DataFrame) -> str:
    """A digest of a table, column by column, as texts."""
    digest = hashlib.sha256()
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table.astype(str), preserve_index=False)
    for name in table.column_names:
        digest.update(name.encode())
        for chunk in table[name].chunks:
            digest.update(hash_values(chunk.cast(pa.string()).fill_null("")))
    return digest.hexdigest()[:16]


@contextmanager
def claimed(output_dir: Path, identity: dict, accelerator: Accelerator) -> Iterator[None]:
    """Hold the folder of a run, and note there what defines the run.

    Raises:
        BarcodeMAEError: another process holds it, nothing can be written there, or it is the folder
            of another run; names the arguments that differ.
    """
    with ExitStack() as held:
        refusal: list[Exception | None] = [None]
        if accelerator.is_main_process:
            try:
                held.enter_context(held_folder(output_dir))
                _refuse_another_run(output_dir, identity)
                write_whole_text(output_dir / _ARGUMENTS, json.dumps(identity, indent=2) + "\n")
                for name in ("best", "last"):
                    recover(output_dir / name)
            except (BarcodeMAEError, OSError) as error:
                refusal = [error]
        # Told to all: a process that waits for one that has ended would wait for ever.
        refused = broadcast_object_list(refusal)[0]
        if refused is not None:
            raise refused
        yield


def _refuse_another_run(output_dir: Path, identity: dict) -> None:
    path = output_dir / _ARGUMENTS
    if not path.exists():
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [
            f"{name} was {before.get(name)!r} and is {value!r}"
            for name, value in identity.items()
            if before.get(name, value if name == CONTENT else None) != value
        ]
    except (ValueError, AttributeError) as error:
        raise BarcodeMAEError(
            f"{path}: is damaged, so that it cannot be told whether this is the same run. If it "
            f"is, remove {path.name} and give the command again; else give another --output_dir"
        ) from error
    if changed:
        raise BarcodeMAEError(
            f"{output_dir}: holds a run with other arguments ({'; '.join(changed)}). Give "
            "another --output_dir, or the arguments and data of that run to go on with it."
        )


def save_model(
    final: Path, accelerator: Accelerator, model: torch.nn.Module, **record: object
) -> None:
    """Save a complete model directory with `training.json`, whole or not at all."""
    weights = accelerator.get_state_dict(model)  # collective, under FSDP
    if accelerator.is_main_process:
        hardware = (
            torch.cuda.get_device_name() if accelerator.device.type == "cuda" else _processor()
        )
        record |= {
            "hardware": f"{accelerator.num_processes} x {hardware}",
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "accelerate": accelerate.__version__,
            },
            "command": " ".join(sys.argv),
        }
        with whole_directory(final, replace=True) as temporary:
            accelerator.unwrap_model(model, keep_torch_compile=False).save_pretrained(
                temporary, state_dict=weights
            )
            write_whole_text(temporary / "training.json", json.dumps(record, indent=2) + "\n")
    accelerator.wait_for_everyone()


def weights_of(part: str, state_dict: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights whose names begin with `part`, by the names that they have within it."""
    return {
        name.removeprefix(part): weight
        for name, weight in state_dict.items()
        if name.startswith(part)
    }


def _processor() -> str:
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
