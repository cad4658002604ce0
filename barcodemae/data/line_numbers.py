"""On which line of a file a record begins, for messages."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from barcodemae.data.packed import PACKING_ERRORS, Unreadable, opened, skip_blank, unpack
from barcodemae.data.rows import RowReader, read_header

_BOM = b"\xef\xbb\xbf"
_FAULTS: tuple[type[Exception], ...] = (OSError, csv.Error, Unreadable, *PACKING_ERRORS)


def line_of(file: str | Path, record: int) -> int | None:
    """The line on which a record of a text file begins, both counted from 1; None if unknown.

    Parsers do not count lines, so the file is read once more: only ever when about to raise.
    """
    if not Path(file).is_file():  # a pipe would wait for what has been read already
        return None
    try:
        with opened(file) as raw, unpack(raw) as stream:
            if stream.peek(4).startswith(b"PAR1"):
                return None
            while stream.peek(3).startswith(_BOM):
                stream.read(3)
            blank = skip_blank(stream)
            if stream.peek(1)[:1] in b"@>#":
                text = io.TextIOWrapper(stream, encoding="latin-1", newline=None)
                return _line_of_sequence(text, record, blank + 1)
            return _line_of_row(stream, record, blank)
    except _FAULTS:
        return None


def _line_of_sequence(text: io.TextIOWrapper, record: int, number: int) -> int | None:
    """The line of a record of FASTA or FASTQ; `number` is that of the first line of `text`."""
    first = text.readline()
    while first and (first.startswith("#") or not first.strip()):
        first, number = text.readline(), number + 1
    if first.startswith("@"):  # FASTQ: four lines to a record
        return number + 4 * (record - 1)
    seen = 1
    while seen < record and (line := text.readline()):
        number += 1
        seen += line.startswith(">")
    return number if seen == record else None


def _line_of_row(stream: io.BufferedReader, record: int, skipped: int) -> int | None:
    header = read_header(stream)
    done = 0
    reader = RowReader(header.delimiter, len(header.names), [0], 0, header.line + skipped + 1)
    for block in reader.blocks(stream):
        lines = sorted([*block.lines.tolist(), *(line for line, _ in block.faults)])
        if done + len(lines) >= record:
            return lines[record - done - 1]
        done += len(lines)
    return None
