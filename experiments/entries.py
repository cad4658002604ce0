"""The lines of results.jsonl, those of one run with its seeds together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation import statistics
from barcodemae.evaluation.comparison import unpack
from experiments.results import Results


class Entry:
    """A run with all its seeds, `rows` of the results."""

    def __init__(self, rows: list[dict]):
        self.rows = rows
        self.first = min(rows, key=lambda row: row["seed"])
        self.name = scaled_name(self.first)

    def records(self, task: str, metric: str, **settings) -> list[dict]:
        """Those whose settings agree; of the plain row unless `inference` says otherwise."""
        wanted = {"inference": [], **settings}
        return [
            record
            for row in self.rows
            for record in row["records"]
            if (record["task"], record["metric"]) == (task, metric)
            and all(record["settings"].get(name) == value for name, value in wanted.items())
        ]

    def genus(self, *inference: str) -> list[dict]:
        return self.records("genus-probe", "accuracy", rank="genus", inference=list(inference))

    def right(self, *inference: str) -> dict[int, np.ndarray]:
        """By seed, which queries are named rightly under options at inference."""
        found = {}
        for row in self.rows:
            packed = row.get("right", {}).get(" + ".join([row["name"], *inference]))
            if packed:
                found[row["seed"]] = unpack(packed, _genus_count(row))
        return found

    def mean(self, name: str) -> float | None:
        values = [row[name] for row in self.rows if row.get(name) is not None]
        return sum(values) / len(values) if values else None


def scaled_name(row: dict) -> str:
    """The name of a run, and the share of the manifest's epochs that it trained for."""
    scaled = row["epochs"] and row["scale"] != 1
    return row["name"] + (f" (x {row['scale']:g})" if scaled else "")


def baseline_of(entry: Entry, entries: Sequence[Entry]) -> Entry | None:
    """The run that `entry` differs from in one thing, with the same share of the epochs."""
    name, scale = entry.first["baseline"], entry.first["scale"]
    found = (e for e in entries if (e.first["name"], e.first["scale"]) == (name, scale))
    return next(found, None)


def read_results(folders: Sequence[Path]) -> list[dict]:
    """The lines of several results.jsonl; of a run that stands in two, the last.

    Raises:
        BarcodeMAEError: there is no line, the folders rest on different barcodes, or different
            runs have the same name.
    """
    rows: dict[str, dict] = {}
    for folder in folders:
        for row in Results(folder / "results.jsonl").rows():
            before = rows.setdefault(row["key"], row)
            if any(before[name] != row[name] for name in ("arguments", "epochs")):
                raise BarcodeMAEError(
                    f"{folder}: its run {row['key']} is another than that of the same name in a "
                    "folder before it: their arguments or epochs differ. Show them in two tables."
                )
            rows[row["key"]] = row
    if not rows:
        raise BarcodeMAEError(
            f"{', '.join(map(str, folders))}: no results.jsonl with a run in it. Make one with "
            "python -m experiments.run"
        )
    digests = {tuple(sorted(row["data"].items())) for row in rows.values()}
    if len(digests) > 1:
        raise BarcodeMAEError(
            "the runs cannot be compared: they were judged on different barcodes. Give folders "
            "that were made with the same --data."
        )
    return list(rows.values())


def entries_of(rows: list[dict]) -> list[Entry]:
    """Runs in the order in which they were made, seeds together."""
    together = defaultdict(list)
    for row in rows:
        together[row["name"], row["epochs"]].append(row)
    return [Entry(of_one) for of_one in together.values()]


def difference(first: Entry, other: Entry, *inference: str) -> str:
    """Genus accuracy of `other` less that of `first`, in points, and p of McNemar's exact test.

    Both under the same options at inference; "" where one has not been judged under them.

    Seed by seed, where `first` has more than one; mean and range of the seeds, p of the first.
    """
    theirs, ours = first.right(*inference), other.right(*inference)
    if not theirs:
        return ""
    pairs = [
        (theirs.get(seed, next(iter(theirs.values()))), right)
        for seed, right in sorted(ours.items())
        if seed in theirs or len(theirs) == 1
    ]
    if not pairs:
        return ""
    tests = [statistics.paired_test(*pair, resamples=1, seed=0) for pair in pairs]
    points = [100 * test["difference"] for test in tests]
    spread = f" ({min(points):+.1f} to {max(points):+.1f})" if len(points) > 1 else ""
    return f"{np.mean(points):+.1f}{spread}, p = {tests[0]['p_value']:.2g}"


def _genus_count(row: dict) -> int:
    return next(
        record["n"]
        for record in row["records"]
        if record["task"] == "genus-probe" and record["settings"]["rank"] == "genus"
    )
