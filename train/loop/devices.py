"""What a run computes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from barcodemae.errors import BarcodeMAEError
from barcodemae.outputs import check_folder
from train.loop.arguments import RunArguments


def make_accelerator(arguments: RunArguments) -> Accelerator:
    """Accelerate, on the CPU where there is no GPU.

    Raises:
        BarcodeMAEError: the launcher started several processes and they do not find one another.
    """
    check_folder(Path(arguments.output_dir))  # before the minutes that barcodes take to be read
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
    refuse_pickled_states(getattr(accelerator.state, "fsdp_plugin", None))
    on_cpu = accelerator.device.type == "cpu"
    if on_cpu and arguments.mixed_precision == "bf16" and bf16_is_slow(cpu_capabilities()):
        accelerator.print(
            "This CPU has no instructions for bf16, which is then slower than fp32: "
            "--mixed_precision no"
        )
    return accelerator


def refuse_pickled_states(fsdp: Any) -> None:
    """Raise BarcodeMAEError where resuming a sharded run could run code; `fsdp`: its plugin.

    PyTorch reads sharded states (torch.distributed.checkpoint) by pickle, without its
    `weights_only`.
    """
    if fsdp is not None and fsdp.state_dict_type.name != "FULL_STATE_DICT":
        raise BarcodeMAEError(
            f"fsdp_state_dict_type: {fsdp.state_dict_type.name}: such states are pickles, which "
            "run whatever they hold when a run resumes. Give FULL_STATE_DICT in Accelerate's "
            "configuration, as train/configs/accelerate/4gpus-fsdp.yaml does"
        )


def share_of_batch(global_batch: int, accumulation: int, processes: int) -> int:
    """Barcodes that one process computes at once, where a step has `global_batch`.

    Raises:
        BarcodeMAEError: the global batch cannot be shared out evenly.
    """
    share, rest = divmod(global_batch, processes * accumulation)
    if rest or not share:
        raise BarcodeMAEError(
            f"--batch_size {global_batch} is the global batch, and cannot be shared out evenly to "
            f"{processes} processes in {accumulation} parts: give a multiple of "
            f"{processes * accumulation}"
        )
    return share


def cpu_capabilities() -> dict:
    """What PyTorch says of this CPU; empty where its version does not tell."""
    return getattr(torch.cpu, "get_capabilities", dict)()


def bf16_is_slow(capabilities: dict) -> bool:
    """Whether an x86 CPU has to emulate bf16; False where that is not known."""
    known = [capabilities[name] for name in ("avx512_bf16", "amx_bf16") if name in capabilities]
    return bool(known) and not any(known)
