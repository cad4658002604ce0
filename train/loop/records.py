"""What a run writes: model directories, and what it was started with."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import accelerate
import torch
import transformers
from accelerate import Accelerator

from barcodemae.errors import BarcodeMAEError
from barcodemae.outputs import write_whole_text
from train.loop.checkpoints import recover_directory, replace_directory


@dataclass
class Progress:
    """What a resumed run must know beside weights, optimizer and schedule."""

    best_loss: float = float("inf")
    seconds: float = 0.0
    validation: dict = field(default_factory=dict)

    def state_dict(self) -> dict:
        return asdict(self)

    def load_state_dict(self, state: dict) -> None:
        self.__dict__.update(state)


def claim_output_dir(output_dir: Path, identity: dict, accelerator: Accelerator) -> None:
    """Note what defines the run in its folder; refuse the folder of another run.

    Raises:
        BarcodeMAEError: names the arguments that differ.
    """
    path = output_dir / "arguments.json"
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [
            f"{name} was {before.get(name)!r} and is {value!r}"
            for name, value in identity.items()
            if before.get(name) != value
        ]
        if changed:
            raise BarcodeMAEError(
                f"{output_dir}: holds a run with other arguments ({'; '.join(changed)}). Give "
                "another --output_dir, or the arguments of that run to go on with it."
            )
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        output_dir.mkdir(parents=True, exist_ok=True)
        write_whole_text(path, json.dumps(identity, indent=2) + "\n")
        for name in ("best", "last"):
            recover_directory(output_dir / name)
    accelerator.wait_for_everyone()


def save_model(
    final: Path, accelerator: Accelerator, model: torch.nn.Module, **record: object
) -> None:
    """Save a complete model directory with `training.json`, whole or not at all."""
    weights = accelerator.get_state_dict(model)  # collective, under FSDP
    if accelerator.is_main_process:
        temporary = final.with_name(final.name + ".tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        accelerator.unwrap_model(model, keep_torch_compile=False).save_pretrained(
            temporary, state_dict=weights
        )
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
        (temporary / "training.json").write_text(json.dumps(record, indent=2) + "\n")
        replace_directory(temporary, final)
    accelerator.wait_for_everyone()


def _processor() -> str:
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"
