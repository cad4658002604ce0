"""The paired tests of each model's genus probe against the first model's, and each aligner's."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

import numpy as np

from barcodemae.evaluation import statistics
from barcodemae.evaluation.scores import record

_OF_RIGHT = ("accuracy", "balanced_accuracy", "f1_micro")  # all that which were right tells
DIFFERENCES = ("accuracy_difference", "balanced_accuracy_difference")


def pack(flags: np.ndarray) -> str:
    """Bool (n,), say which queries were correctly classified, in a few letters."""
    return base64.b64encode(np.packbits(flags).tobytes()).decode()


def unpack(text: str, n: int) -> np.ndarray:
    """What `pack` was given, (n,) bool."""
    return np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=n).astype(bool)


def paired_tests(
    records: Sequence[dict],
    right: dict[str, str],
    queries: dict[str, list[int]],
    resamples: int,
    seed: int,
) -> list[dict]:
    """Records of the models that were probed on the same queries at the same rank as a baseline.

    Baselines are the first model and all aligners.

    Args:
        records: of one evaluation, or of several that were merged.
        right: which queries a model classifies correctly, as `pack` tells it.
        queries: codes of their species and taxa; {}: those are not known.
        resamples: of the bootstrap interval.
        seed: of the bootstrap.
    """
    probes = [row for row in records if (row["task"], row["metric"]) == ("genus-probe", "accuracy")]
    found = []
    for place, first in enumerate(probes):
        is_aligner = first["settings"].get("neighbours", 1) is None
        if place and not is_aligner:
            continue
        if (first_flags := _flags_of(first, right)) is None:
            continue
        for other in probes[1:]:  # the first model is a baseline alone
            flags = _flags_of(other, right)
            alike = other["model"] == first["model"] or not _same_queries(first, other)
            if not alike and flags is not None:
                test = _tested(first_flags, flags, queries, resamples, seed)
                found += _against(first, other, test, seed)
    return found


def with_intervals_by_species(
    records: Sequence[dict],
    right: dict[str, str],
    queries: dict[str, list[int]],
    resamples: int,
    seed: int,
) -> list[dict]:
    """Records whose genus probes have intervals by species, or none; arguments as `paired_tests`.

    An earlier run drew barcodes anew. Its accuracies get intervals by species where it kept which
    queries were right; all that it had else are left out.
    """
    if not queries:
        return list(records)
    species, taxa = (np.array(queries[part]) for part in ("species", "taxon"))
    intervals: dict[str, dict] = {}  # of the models whose own are drawn otherwise
    for row in records:
        if (row["task"], row["metric"]) != ("genus-probe", "accuracy") or row["n"] != len(taxa):
            continue
        flags, drawn = _flags_of(row, right), {}
        if flags is not None:
            named = np.where(flags, taxa, taxa.max() + 1)
            drawn = statistics.bootstrap_intervals(taxa, named, resamples, seed, species)
        if not drawn or not np.allclose(drawn["accuracy"], row["interval"]):
            told = (name for name in _OF_RIGHT if name in drawn)
            intervals[row["model"]] = {name: drawn[name] for name in told}
    return [
        {**row, "interval": intervals[row["model"]].get(row["metric"])}
        if row["task"] == "genus-probe"
        and row["metric"] not in DIFFERENCES
        and row["model"] in intervals
        else row
        for row in records
    ]


def baselines_of(records: Sequence[dict]) -> list[str]:
    """The models against which others were tested."""
    tests = (row for row in records if row["metric"] in DIFFERENCES)
    return list(dict.fromkeys(row["settings"]["against"] for row in tests))


def _tested(first_flags, flags, queries: dict[str, list[int]], resamples: int, seed: int) -> dict:
    codes = (queries.get(part) for part in ("species", "taxon"))
    known = (None if each is None or len(each) != len(flags) else np.array(each) for each in codes)
    return statistics.paired_test(first_flags, flags, resamples, seed, *known)


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


def _against(first: dict, other: dict, test: dict, seed: int) -> list[dict]:
    """A record for each of `DIFFERENCES`."""
    counts = ("mcnemar_p_value", "only_first_right", "only_other_right")
    return [
        record(
            other["model"],
            other["task"],
            metric,
            test[metric]["value"],
            interval=test[metric]["interval"],
            n=other["n"],
            settings={
                **other["settings"],
                "against": first["model"],
                "test": "signs of species turned at random",
                "p_value": test[metric]["p_value"],
                **{name: test[name] for name in counts},
            },
            seed=seed,
            duration=other["duration"],
        )
        for metric in DIFFERENCES
    ]
