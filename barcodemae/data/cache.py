"""Prepared tables on disk: one folder each, named by what it was made from, never half-written."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from barcodemae.data.problems import LeftOut
from barcodemae.data.read_report import ReadReport
from barcodemae.data.schemas import BATCH, SCHEMA
from barcodemae.errors import BarcodeMAEError

if TYPE_CHECKING:
    import datasets  # takes half a second to import, which `identify` does without

TABLE, REPORT = "barcodes.arrow", "report.json"
_SEAL = "seal.json"  # written last: what a whole entry holds
_VERSION = 6  # raised whenever the same input would give another table


_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


class Writer:
    """Writes one entry: tables in the canonical schema, then the report of how they were read."""

    def __init__(self, folder: Path, schema: pa.Schema = SCHEMA):
        self._folder = folder
        self._file = pa.OSFile(str(folder / TABLE), "wb")
        self._stream = pa.ipc.new_stream(self._file, schema)
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def write(self, table: pa.Table) -> None:
        """Add rows; small tables are gathered, since every batch in the file costs a look-up."""
        self._waiting.append(table)
        self._rows += len(table)
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
        self._file.close()
        (self._folder / REPORT).write_text(json.dumps(dataclasses.asdict(report), indent=1))
        size = (self._folder / TABLE).stat().st_size
        (self._folder / _SEAL).write_text(json.dumps({"rows": self._rows, "bytes": size}))


@dataclass(frozen=True)
class Kept:
    """A whole entry."""

    folder: Path

    @cached_property
    def table(self) -> pa.Table:
        """Its rows, memory-mapped."""
        with pa.memory_map(str(self.folder / TABLE)) as file:
            return pa.ipc.open_stream(file).read_all()

    @property
    def report(self) -> ReadReport:
        return _report_in(self.folder / REPORT)

    def __len__(self) -> int:
        return len(self.table)


def _datasets_cache() -> Path:
    """The folder of the cache of `datasets`, as that finds it."""
    if loaded := sys.modules.get("datasets"):
        return Path(loaded.config.HF_DATASETS_CACHE)
    home = os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
    home = os.environ.get("HF_HOME", home)
    return Path(os.environ.get("HF_DATASETS_CACHE", os.path.join(home, "datasets")))


def root(cache_dir: str | Path | None) -> Path:
    """The folder of all entries, by default below the cache of `datasets`."""
    folder = Path(cache_dir or _datasets_cache() / "barcodemae").expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _named(error, folder) from error
    return folder


def entry(root: Path, key: object, build: Callable[[Path], None]) -> Path:
    """The folder of the entry for `key` (anything JSON can hold), which `build` fills if need be.

    Of several processes that ask at once one builds and the others wait; an entry whose making was
    interrupted, or that has been damaged since, is made anew.

    Raises:
        BarcodeMAEError: the disk is full.
    """
    name = hashlib.sha256(json.dumps([_VERSION, key]).encode()).hexdigest()[:32]
    folder, partial = root / name, root / f"{name}.partial"
    if _is_whole(folder):
        return folder
    from filelock import FileLock  # imports asyncio

    try:
        with FileLock(root / f"{name}.lock"):
            if not _is_whole(folder):
                shutil.rmtree(folder, ignore_errors=True)
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                try:
                    build(partial)
                except BaseException:
                    shutil.rmtree(partial, ignore_errors=True)
                    raise
                os.replace(partial, folder)
    except OSError as error:
        raise _named(error, root) from error
    return folder


def _is_whole(folder: Path) -> bool:
    """Whether an entry is there and holds what was written."""
    try:
        seal = json.loads((folder / _SEAL).read_text())
        table = folder / TABLE
        if not (folder / REPORT).is_file() or table.stat().st_size != seal["bytes"]:
            return False
        return len(Kept(folder)) == seal["rows"]
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return False


def _named(error: OSError, root: Path) -> Exception:
    """An error of the cache's own disk by its name; any other as it is."""
    where = str(error.filename or "")
    if error.errno not in _DISK_ERRORS or where and not where.startswith(str(root)):
        return error
    return BarcodeMAEError(
        f"{root}: the cache of prepared barcodes cannot be written ({os.strerror(error.errno)}). "
        "Free space there, or move the cache by setting HF_DATASETS_CACHE to another folder."
    )


def load(folder: Path) -> datasets.Dataset:
    """The table of an entry, memory-mapped."""
    import datasets

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
    return _report_in(report)


def _report_in(path: Path) -> ReadReport:
    content = json.loads(path.read_text())
    left_out = [LeftOut(**row) for row in content.pop("left_out")]
    return ReadReport(**content, left_out=left_out)
