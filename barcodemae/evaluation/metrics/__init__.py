"""Metrics as modules of the `evaluate` library: each folder loads offline and is a Space."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import evaluate

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(path.parent.name for path in FOLDER.glob("*/requirements.txt")))


@cache
def load(name: str) -> evaluate.Metric:
    """The metric `name` of `NAMES`, from its folder here."""
    return evaluate.load(str(FOLDER / name))


def compute(name: str, **arguments) -> dict:
    """All values of the metric `name`."""
    return load(name).compute(**arguments)
