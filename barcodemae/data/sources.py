"""What a user may name as barcodes: files, globs, saved data sets, data sets of the Hub."""

from __future__ import annotations

import glob
import hashlib
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa

from barcodemae.data.packed import Unreadable
from barcodemae.data.parsers import parse
from barcodemae.data.problems import Problems
from barcodemae.data.rows import EMPTY
from barcodemae.data.schemas import BATCH
from barcodemae.data.source_settings import SourceSettings
from barcodemae.data.table_files import need_nucleotides, note_ids
from barcodemae.errors import BarcodeMAEError, first_line

if TYPE_CHECKING:
    import datasets

logger = logging.getLogger(__name__)
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FILE_SUFFIXES = re.compile(
    r"\.(fa|fas|fasta|fna|fq|fastq|csv|tsv|tab|txt|parquet|pq|arrow|json|xlsx?|gz|bz2|xz|zst|zip)$",
    re.I,
)
_STANDARD_INPUT = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")


@dataclass(frozen=True)
class FileSource:
    """One file in any of the formats that `parsers` reads."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def label(self) -> str:
        """What the records without an id are called after."""
        return self.path.name.split(".")[0]

    @property
    def size(self) -> int:
        """Bytes, the unit of the progress bar."""
        return self.path.stat().st_size

    def key(self) -> list:
        """What the prepared copy of the file depends on."""
        stat = self.path.stat()
        return [str(self.path.resolve()), stat.st_size, stat.st_mtime_ns]

    def tables(
        self, problems: Problems, advance: Callable[[int], object], settings: SourceSettings
    ) -> Iterator[pa.Table]:
        return parse(self.path, problems, advance, settings)


@dataclass(frozen=True)
class StreamSource(FileSource):
    """What can be read once, standard input or a named pipe, in a copy that lives as long as this.

    `path` is the copy's.
    """

    origin: str
    copy: IO = field(repr=False)

    @classmethod
    def of(cls, origin: str) -> StreamSource:
        copy = tempfile.NamedTemporaryFile(prefix="barcodemae-")  # noqa: SIM115
        with nullcontext(sys.stdin.buffer) if origin == "-" else open(origin, "rb") as stream:
            shutil.copyfileobj(stream, copy, 1 << 20)
        copy.flush()
        return cls(Path(copy.name), origin, copy)

    @property
    def name(self) -> str:
        return "standard input" if self.origin in _STANDARD_INPUT else self.origin

    @property
    def label(self) -> str:
        return "stdin" if self.origin in _STANDARD_INPUT else Path(self.origin).name

    def key(self) -> list:
        with self.path.open("rb") as file:
            return [self.name, hashlib.file_digest(file, "sha256").hexdigest()]


@dataclass(frozen=True)
class DatasetSource:
    """A `datasets.Dataset`, saved or from the Hub, with the split that it was stored under."""

    origin: str
    dataset: datasets.Dataset
    split: str | None

    @property
    def name(self) -> str:
        return f"{self.origin}[{self.split}]" if self.split else self.origin

    @property
    def label(self) -> str:
        return "-".join(filter(None, (Path(self.origin).name, self.split)))

    @property
    def size(self) -> int:
        return self.dataset.data.nbytes

    def key(self) -> list:
        return [self.name, self.dataset._fingerprint]

    def tables(
        self, problems: Problems, advance: Callable[[int], object], settings: SourceSettings
    ) -> Iterator[pa.Table]:
        names = self.dataset.column_names
        try:
            columns = need_nucleotides(names)
            note_ids(columns, names, settings)
            if not len(self.dataset):
                raise Unreadable(EMPTY)
        except Unreadable as error:
            problems.add(self.name, None, None, str(error))
            return
        wanted = self.dataset.select_columns([names[index] for index in columns.values()])
        done = 0
        for batch in wanted.with_format("arrow").iter(BATCH):
            numbers = pa.array(np.arange(done + 1, done + len(batch) + 1))
            table = {"record": numbers}
            table |= {c: batch[names[index]] for c, index in columns.items()}
            if "split" not in columns and self.split:
                table["split"] = pa.array([self.split] * len(batch))
            done += len(batch)
            yield pa.table(table)
            advance(self.size * len(batch) // len(self.dataset))


Source = FileSource | StreamSource | DatasetSource


def resolve(sources: str | Path | Sequence[str | Path]) -> list[Source]:
    """All sources that `sources` names, in its order; globs sorted, a file named twice once, with a
    warning.

    Raises `BarcodeMAEError` for a missing file, a glob that matches nothing, and a Hub id that
    gives no table.
    """
    if isinstance(sources, str | Path):
        sources = [sources]
    found: dict[str, Source] = {}
    for source in sources:
        for each in _expand(str(source)):
            first = found.setdefault(str(each.key()), each)
            if first is not each:
                same = "" if first.name == each.name else f" (as {first.name})"
                logger.warning("%s: named twice%s; it is read once", each.name, same)
    if not found:
        raise BarcodeMAEError("no barcodes were named: give at least one file, glob or Hub id")
    return list(found.values())


def _expand(source: str) -> list[Source]:
    path = Path(source).expanduser()
    if path.is_file():
        return [FileSource(path)]
    if source == "-" or path.is_fifo() or path.is_char_device():
        _check_alone(source)
        return [StreamSource.of("-" if source == "-" else str(path))]
    if path.is_dir():
        return _saved(path)
    if glob.has_magic(source):
        matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        if not any(match.is_file() for match in matches):
            raise BarcodeMAEError(f"{source}: the pattern matches no file; check folder and suffix")
        return [FileSource(match) for match in matches if match.is_file()]
    # A path into a folder that is here, or with a file's suffix, was not meant for the Hub.
    if _HUB_ID.fullmatch(source) and not (_FILE_SUFFIXES.search(source) or path.parent.exists()):
        return _from_hub(source)
    raise BarcodeMAEError(f"{source}: no such file; check the path")


def _check_alone(source: str) -> None:
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise BarcodeMAEError(
            f"{source}: several processes cannot read one stream; write it to a file first"
        )


def _saved(path: Path) -> list[Source]:
    import datasets

    try:
        return _each_split(str(path), datasets.load_from_disk(str(path)))
    except FileNotFoundError:
        raise BarcodeMAEError(
            f"{path}: the folder is no data set saved with save_to_disk; "
            f"name its files, for example '{path}/*.csv'"
        ) from None


def _from_hub(name: str) -> list[Source]:
    import datasets

    try:
        return _each_split(name, datasets.load_dataset(name))
    except RuntimeError as error:
        if "script" not in str(error).lower():
            raise
        raise BarcodeMAEError(
            f"{name}: a data set made by a script, which `datasets` no longer runs; download its "
            "metadata CSV from its Hub page and name that file"
        ) from None
    except (datasets.exceptions.DatasetsError, OSError, ValueError) as error:
        raise BarcodeMAEError(
            f"{name}: neither a file here nor a data set that the Hub gives ({first_line(error)})"
        ) from None


def _each_split(name: str, loaded: datasets.Dataset | datasets.DatasetDict) -> list[Source]:
    if isinstance(loaded, dict):
        return [DatasetSource(name, dataset, split) for split, dataset in loaded.items()]
    return [DatasetSource(name, loaded, None)]
