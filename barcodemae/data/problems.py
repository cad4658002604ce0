"""What reading left out, and errors that name the file, the record and the remedy."""

from __future__ import annotations

import csv
import gzip
import io
import logging
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from barcodemae.data.schemas import delimiter_of, is_quoted
from barcodemae.errors import BarcodeMAEError

logger = logging.getLogger(__name__)

_BOM = "\xef\xbb\xbf"  # a byte order mark of UTF-8, read as Latin-1


# What a gzip file raises where it breaks off or is damaged.
GZIP_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


class Unreadable(Exception):
    """The rest of a file cannot be read, for the reason given."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One record, or with `record` None the rest of one file, that could not be read.

    `record` counts from 1 within its file; `reason` names the fault and the remedy.
    """

    file: str
    record: int | None
    id: str | None
    reason: str


class Problems:
    """Where parsers report a fault: it is raised, or with `skip` noted down and left out."""

    def __init__(self, skip: bool = False):
        self.skip = skip
        self.left_out: list[LeftOut] = []

    def add(self, file: str | Path, record: int | None, id: str | None, reason: str) -> None:
        """Raise `BarcodeMAEError`, or note the record down when skipping."""
        if not self.skip:
            raise BarcodeMAEError(describe(file, record, id, reason))
        self.left_out.append(LeftOut(str(file), record, id, reason))


def describe(file: str | Path, record: int | None, id: str | None, reason: str) -> str:
    """`FILE: record 3 (id 'X', line 5): REASON`, with what is known of it."""
    if record is None:
        return f"{file}: {reason}"
    line = line_of(file, record)
    details = [f"id {id!r}" if id else None, f"line {line}" if line else None]
    details = ", ".join(detail for detail in details if detail)
    return f"{file}: record {record}{f' ({details})' if details else ''}: {reason}"


def line_of(file: str | Path, record: int) -> int | None:
    """The line on which a record of a text file begins, both counted from 1; None if unknown.

    Parsers do not count lines, so the file is read once more: only ever when about to raise.
    """
    try:
        with open(file, "rb") as raw:
            head = raw.read(4)
        if head == b"PAR1":
            return None
        opener = gzip.open if head.startswith(b"\x1f\x8b") else open
        with opener(file, "rb") as stream:
            text = io.TextIOWrapper(stream, encoding="latin-1", newline="")
            return _count_lines(text, record)
    except (OSError, EOFError, csv.Error):
        return None


def _count_lines(text: io.TextIOWrapper, record: int) -> int | None:
    first = text.readline()
    number = 1
    while first and (first.startswith("#") or not first.strip(_BOM + " \t\r\n")):
        first, number = text.readline(), number + 1
    mark = first.lstrip(_BOM)[:1]
    if mark == "@":  # FASTQ: four lines to a record
        return number + 4 * (record - 1)
    if mark == ">":
        seen = 1
        while seen < record and (line := text.readline()):
            number += 1
            seen += line.startswith(">")
        return number if seen == record else None
    delimiter = delimiter_of(first)
    quoting = csv.QUOTE_MINIMAL if is_quoted(delimiter) else csv.QUOTE_NONE
    rows = csv.reader(text, delimiter=delimiter, quoting=quoting)
    seen, before = 0, 0
    for row in rows:
        seen += bool(row)
        if seen == record:
            return number + before + 1
        before = rows.line_num
    return None


@dataclass
class ReadReport:
    """What became of every record of one `read_barcodes` call, before its filters.

    `records` were read, `kept` of them stand in the data set, `repeats` were barcodes seen before,
    `left_out` lists what could not be used (empty unless `on_error="skip"`), and `gapped` of those
    that stand there hold gaps.
    """

    records: int = 0
    kept: int = 0
    repeats: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    gapped: int = 0

    def log(self, listed: Path) -> None:
        """Say what barcodes with gaps are read as; and how many records were left out and why, and
        where all are `listed`."""
        if self.gapped:
            logger.warning(
                "%d of %d barcodes hold gaps (- or .), which count as unknown nucleotides and move "
                "the k-mers behind them. If the file is an alignment, take the gaps out first, "
                "for example with `seqkit seq -g`.",
                self.gapped,
                self.kept,
            )
        if not self.left_out:
            return
        kinds = Counter(entry.reason.split(":")[0] for entry in self.left_out)
        logger.warning(
            "left out %d of %d records, listed in %s:", len(self.left_out), self.records, listed
        )
        for kind, count in kinds.most_common(10):
            example = next(e for e in self.left_out if e.reason.split(":")[0] == kind)
            where = f"{example.file}, record {example.record}" if example.record else example.file
            logger.warning("  %d: %s (first: %s)", count, kind, where)
