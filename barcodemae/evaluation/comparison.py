"""The paired test of each model's genus probe against the first model's."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

import numpy as np

from barcodemae.evaluation import statistics
from barcodemae.evaluation.scores import record

DIFFERENCE = "accuracy_difference"


def pack(flags: np.ndarray) -> str:
    """Bool (n,), say which queries were correctly classified, in a few letters."""
    return base64.b64encode(np.packbits(flags).tobytes()).decode()


def unpack(text: str, n: int) -> np.ndarray:
    """What `pack` was given, (n,) bool."""
    return np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=n).astype(bool)


def paired_tests(
    records: Sequence[dict], right: dict[str, str], resamples: int, seed: int
) -> list[dict]:
    """One record for each model but the first that was probed on the same queries at the same rank.

    Args:
        records: of one evaluation, or of several that were merged.
        right: which queries a model classifies correctly, as `pack` tells it.
        resamples: of the bootstrap interval.
    """
    probes = [row for row in records if (row["task"], row["metric"]) == ("genus-probe", "accuracy")]
    if not probes or (first_flags := _flags_of(probes[0], right)) is None:
        return []
    return [
        _against(probes[0], first_flags, other, flags, resamples, seed)
        for other in probes[1:]
        if other["model"] != probes[0]["model"]
        and _same_queries(probes[0], other)
        and (flags := _flags_of(other, right)) is not None
    ]


def _flags_of(row: dict, right: dict[str, str]) -> np.ndarray | None:
    """None where they were not kept, or are those of a probe by another protocol."""
    if row["model"] not in right:
        return None
    flags = unpack(right[row["model"]], row["n"])
    return flags if math.isclose(flags.mean(), row["value"], abs_tol=1e-9) else None


def _same_queries(first: dict, other: dict) -> bool:
    return first["n"] == other["n"] and all(
        first["settings"][name] == other["settings"][name] for name in ("query", "rank")
    )


def _against(
    first: dict,
    first_flags: np.ndarray,
    other: dict,
    flags: np.ndarray,
    resamples: int,
    seed: int,
) -> dict:
    test = statistics.paired_test(first_flags, flags, resamples, seed)
    details = {name: test[name] for name in ("p_value", "only_first_right", "only_other_right")}
    return record(
        other["model"],
        other["task"],
        DIFFERENCE,
        test["difference"],
        interval=test["interval"],
        n=other["n"],
        settings={
            **other["settings"],
            "against": first["model"],
            "test": "McNemar, exact",
            **details,
        },
        seed=seed,
        duration=other["duration"],
    )
