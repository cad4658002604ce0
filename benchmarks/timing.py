"""Times that can be compared: contestants take turns, so a busy machine disturbs all alike."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable

import torch
import transformers


def synchronize() -> None:
    """Wait for the GPU, if there is one: it runs asynchronously."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


CLOCKS = {"day": time.perf_counter, "processor": time.process_time}


def seconds(work: Callable[[], object], clock: str = "day") -> float:
    synchronize()
    start = CLOCKS[clock]()
    work()
    synchronize()
    return CLOCKS[clock]() - start


def take_turns(
    contestants: dict[str, Callable[[], object]],
    repeats: int,
    warm_up: int = 1,
    clock: str = "day",
) -> dict[str, list[float]]:
    """Seconds of each contestant, `repeats` times, in rounds that every contestant is part of.

    `clock` "processor" counts what this process computes, and not what it waits for others.
    """
    for work in contestants.values():
        for _ in range(warm_up):
            work()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, work in contestants.items():
            times[name].append(seconds(work, clock))
    return times


def summary(times: list[float], barcodes: int) -> dict:
    """Median, fastest and slowest, and barcodes a second at the median."""
    median = statistics.median(times)
    return {
        "seconds": median,
        "fastest": min(times),
        "slowest": max(times),
        "repeats": len(times),
        "barcodes_per_second": barcodes / median,
    }


def ratio(slow: list[float], fast: list[float]) -> float:
    """How many times faster, as the median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def machine() -> dict:
    """What was measured on."""
    described = {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    if torch.cuda.is_available():
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv"]
        described["gpu"] = subprocess.run(query, capture_output=True, text=True).stdout.strip()
        described["cuda"] = torch.version.cuda
    return described


def _cpu() -> str:
    names = set()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            lines = (line.partition(":") for line in file)
            names = {value.strip() for key, _, value in lines if key.strip() == "model name"}
    return ", ".join(sorted(names)) or platform.processor()
