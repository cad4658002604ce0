"""The paper's figures, and when they may stand beside measured ones."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from barcodemae.evaluation.splits import split_names


@cache
def published() -> dict:
    """published.yaml."""
    return yaml.safe_load(Path(__file__).with_name("published.yaml").read_text())


def rows() -> dict[str, dict]:
    """The rows of Table 1, by key; `name` filled in."""
    return {row["key"]: {"name": row["key"], **row} for row in published()["table_1"]}


def comparable(results: dict, figure: str) -> bool:
    """Whether a run's barcodes and splits are the paper's.

    Args:
        figure: "genus", "ami" or "harmonic_mean" (which needs both).
    """
    if figure == "harmonic_mean":
        return comparable(results, "genus") and comparable(results, "ami")
    settings, counts = results["settings"], results["data"]["barcodes"]
    protocol = published()["protocol"][figure]
    for role, expected in protocol.items():
        if role == "rank":
            if settings["rank"] != expected:
                return False
            continue
        splits, sizes = expected[::2], expected[1::2]
        if split_names(settings[role]) != splits or [counts.get(s) for s in splits] != sizes:
            return False
    return True
