"""The tasks by name. Each module has `check(context)` and `run(row, context)`.

`check` raises BarcodeMAEError for what would fail later, and adds to `context.warnings`; `run`
returns the records of one row of the tables.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from barcodemae.errors import BarcodeMAEError

NAMES = ("genus-probe", "open-set", "bin-clustering", "linear-probe", "robustness", "t-sne")
HARMONIC_MEAN = "harmonic-mean"  # follows from the first two; see `harmonic_mean`
OFFERED = (*NAMES, HARMONIC_MEAN)


def parse_tasks(text: str) -> list[str]:
    """Read "genus-probe,bin-clustering" (or "all") into names of `NAMES`, in their order.

    Raises:
        BarcodeMAEError: there is no such task.
    """
    wanted = {name.strip() for name in text.split(",") if name.strip()}
    if "all" in wanted:
        return list(NAMES)
    for name in wanted:
        if name not in OFFERED:
            offered = ", ".join((*OFFERED, "all"))
            raise BarcodeMAEError(f"no task {name!r} (in --tasks {text!r}). Tasks: {offered}")
    if HARMONIC_MEAN in wanted:
        wanted |= {"genus-probe", "bin-clustering"}
    return [name for name in NAMES if name in wanted]


def module_of(task: str) -> ModuleType:
    return import_module(f"{__name__}.{task.replace('-', '_')}")
