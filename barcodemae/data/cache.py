"""Prepared tables on disk: one folder each, named by what it was made from, never half-written."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import datasets
import pyarrow as pa
from filelock import FileLock

from barcodemae.data.problems import LeftOut, ReadReport
from barcodemae.data.schemas import BATCH, SCHEMA

TABLE, REPORT = "barcodes.arrow", "report.json"
_VERSION = 2  # raised whenever the same input would give another table


class Writer:
    """Writes one entry: tables in the canonical schema, then the report of how they were read."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._stream = pa.ipc.new_stream(pa.OSFile(str(folder / TABLE), "wb"), SCHEMA)
        self._waiting: list[pa.Table] = []

    def write(self, table: pa.Table) -> None:
        """Add rows; small tables are gathered, since every batch in the file costs a look-up."""
        self._waiting.append(table)
        if sum(map(len, self._waiting)) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._stream.write_table(pa.concat_tables(self._waiting).combine_chunks())
            self._waiting.clear()

    def close(self, report: ReadReport) -> None:
        """Finish the table and put the report beside it."""
        self._flush()
        self._stream.close()
        (self._folder / REPORT).write_text(json.dumps(dataclasses.asdict(report), indent=1))


def root(cache_dir: str | Path | None) -> Path:
    """The folder of all entries, by default below the cache of `datasets`."""
    folder = Path(cache_dir or Path(datasets.config.HF_DATASETS_CACHE) / "barcodemae").expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def entry(root: Path, key: object, build: Callable[[Path], None]) -> Path:
    """The folder of the entry for `key` (anything JSON can hold), which `build` fills if need be.

    Of several processes that ask at once one builds and the others wait; an entry whose making was
    interrupted is made anew.
    """
    name = hashlib.sha256(json.dumps([_VERSION, key]).encode()).hexdigest()[:32]
    folder, partial = root / name, root / f"{name}.partial"
    if folder.is_dir():
        return folder
    with FileLock(root / f"{name}.lock"):
        if not folder.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                build(partial)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            os.replace(partial, folder)
    return folder


def load(folder: Path) -> datasets.Dataset:
    """The table of an entry, memory-mapped."""
    return datasets.Dataset.from_file(str(folder / TABLE))


def report_file(dataset: datasets.Dataset) -> Path | None:
    """Where the report of a data set that `read_barcodes` gave is written down."""
    files = dataset.cache_files
    return Path(files[0]["filename"]).parent / REPORT if files else None


def read_report(dataset: datasets.Dataset) -> ReadReport:
    """What reading did to the input of a data set that `read_barcodes` gave, or a part of one.

    Raises `ValueError` for any other data set.
    """
    report = report_file(dataset)
    if not report or not report.is_file():
        raise ValueError("the data set does not come from read_barcodes, so there is no report")
    content = json.loads(report.read_text())
    left_out = [LeftOut(**row) for row in content.pop("left_out")]
    return ReadReport(**content, left_out=left_out)
