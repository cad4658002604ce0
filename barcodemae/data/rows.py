"""Rows of CSV and TSV text, block by block: Arrow reads them, and what it might misread is looked
at line by line, so that a fault costs the record that has it and no other."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from barcodemae.data.packed import PACKING_ERRORS, Unreadable
from barcodemae.data.schemas import delimiter_of, is_quoted, is_separator_line

_BLOCK = 1 << 22  # bytes parsed at a time
_LONGEST = 1 << 23  # bytes of a row
_MOST_LINES = 1000  # of one row with line breaks in its values
_QUOTE, _LINE_END = ord('"'), ord("\n")

EMPTY = "empty file: it has columns but no record; give one that has"
UNCLOSED = 'a quote (") that is not closed as CSV has it: double it (""), or take it out'
BROKEN = "a line break stands inside the id or a taxon: take it out, and look for a stray quote"
TOO_LONG = "a row of {:,} bytes or more, and no barcode is so long: look for missing line ends"
CARRIAGE_RETURN = (
    "a carriage return stands inside the row: take it out, or give the file one kind of line end"
)
WIDTH = "malformed row: {} field{} where the header has {}; check its delimiters and quotes"


class Header(NamedTuple):
    """Of a delimited file: its delimiter, its columns' names, and the number of its line."""

    delimiter: str
    names: list[str]
    line: int


def read_header(stream: io.BufferedReader) -> Header:
    """The header of a CSV or TSV file; a line such as `sep=;` before it is Excel's and is skipped.

    Raises:
        Unreadable: the line is none.
    """
    raw, number, given = b"", 0, ""
    while not raw.strip():
        raw, number = stream.readline(1 << 20), number + 1
        if not raw:
            raise Unreadable(EMPTY)
        if number == 1 and is_separator_line(raw.decode("latin-1")):
            given, raw = raw.decode("latin-1").strip().strip('"')[4:] or "\t", b""
    line = raw.decode("utf-8", "replace").rstrip("\r\n")
    delimiter = given or delimiter_of(line)
    try:
        names = next(csv.reader([line], delimiter=delimiter))
    except (csv.Error, StopIteration):  # an old Mac's line ends, or none for a hundred kilobytes
        raise Unreadable(
            "its first line is no header of a table. If the file comes from a spreadsheet, give "
            r"it the line ends of Unix (`tr '\r' '\n' < OLD > NEW`); if it holds sequences alone, "
            "make it FASTA, which begins with '>'"
        ) from None
    return Header(delimiter, names, number)


@dataclass
class Block:
    """Consecutive rows.

    Attributes:
        columns: one binary array for each wanted column, the sound rows alone.
        lines: (sound rows,) the line in the file that each begins on, counted from 1.
        faults: (line, reason) of the rows that are none, in order.
    """

    columns: list[pa.Array]
    lines: np.ndarray
    faults: list[tuple[int, str]] = field(default_factory=list)

    def numbers(self, first: int) -> tuple[np.ndarray, list[int]]:
        """Record numbers of the sound rows and of the faulty ones; `first` is that of the first."""
        lines = np.concatenate([self.lines, [line for line, _ in self.faults]]).astype(np.int64)
        rank = np.empty(len(lines), dtype=np.int64)
        rank[np.argsort(lines, kind="stable")] = np.arange(first, first + len(lines))
        return rank[: len(self.lines)], rank[len(self.lines) :].tolist()


class RowReader:
    """Reads the rows of `width` fields below a header.

    Args:
        delimiter: one character; between tabs a quote is a letter.
        wanted: places of the columns to keep; `breakable` is the one of them (its place among
            `wanted`) whose values may hold line breaks.
        line: number of the first line below the header.
    """

    def __init__(
        self, delimiter: str, width: int, wanted: Sequence[int], breakable: int, line: int
    ):
        self.delimiter = delimiter.encode()
        self.quoted = is_quoted(delimiter)
        self.width = width
        self.wanted = list(wanted)
        self.breakable = breakable
        self.line = line
        self._is_edge = np.zeros(256, dtype=bool)
        self._is_edge[[self.delimiter[0], _LINE_END, ord("\r"), _QUOTE]] = True
        mark = re.escape(self.delimiter)
        self._field = re.compile(
            rb'(?:"([^"]*(?:""[^"]*)*)"|([^"' + mark + rb"][^" + mark + rb"]*|))(" + mark + rb"|\Z)"
        )

    def blocks(self, stream: io.BufferedReader) -> Iterator[Block]:
        """All rows of `stream`, which stands after the header.

        Raises one of PACKING_ERRORS where the stream does, after the rows before it.
        """
        left, failure, at_end = b"", None, False
        while not at_end:
            pieces, size = [left], 0
            while size < _BLOCK and not at_end:
                try:
                    piece = stream.read1(_BLOCK)
                except PACKING_ERRORS as error:
                    failure, piece = error, b""
                at_end = not piece
                pieces.append(piece)
                size += len(piece)
            data = b"".join(pieces)
            end = len(data) if at_end and not failure else data.rfind(b"\n") + 1
            data, left = data[:end], data[end:]
            if not end:
                if len(left) > _LONGEST and not at_end:
                    self._skip_line(stream)  # too long a row, and the rest need not be kept
                    left = left[: _LONGEST + 1] + b"\n"
                continue
            block = self._fast(data)
            if block is None:
                block, rest = self._careful(data, at_end)
                left = rest + left
                data = data[: len(data) - len(rest)]
            self.line += data.count(b"\n")
            yield block
        if failure:
            raise failure

    @staticmethod
    def _skip_line(stream: io.BufferedReader) -> None:
        while (piece := stream.readline(_BLOCK)) and not piece.endswith(b"\n"):
            pass

    def _fast(self, data: bytes) -> Block | None:
        """By Arrow, where every line is sure to be one row; else None."""
        if len(data) > _LONGEST:  # perhaps by one row
            return None
        if data[-1] != _LINE_END:
            data += b"\n"
        count = data.count(b"\n")
        quoted = self.quoted and b'"' in data
        if quoted and not self._is_plainly_quoted(data):
            return None
        names = [str(index) for index in range(self.width)]
        kept = [str(index) for index in self.wanted]
        read = pa.csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names)
        split = pa.csv.ParseOptions(
            delimiter=self.delimiter.decode(), quote_char='"' if quoted else False
        )
        convert = pa.csv.ConvertOptions(
            include_columns=kept, column_types=dict.fromkeys(kept, pa.binary())
        )
        try:
            table = pa.csv.read_csv(pa.BufferReader(data), read, split, convert)
        except pa.ArrowInvalid:
            return None
        if len(table) != count or self._has_empty_row(table):
            return None
        columns = [column.combine_chunks() for column in table.columns]
        columns = [c.chunk(0) if isinstance(c, pa.ChunkedArray) else c for c in columns]
        if not self.quoted:
            columns = list(map(_unquoted, columns))
        return Block(columns, np.arange(self.line, self.line + count))

    def _is_plainly_quoted(self, data: bytes) -> bool:
        """Whether quotes open and close values in turn, or are doubled inside one. A value with a
        line break passes; it shows in the number of rows."""
        text = np.frombuffer(data, dtype=np.uint8)
        quotes = np.flatnonzero(text == _QUOTE)
        if len(quotes) % 2:
            return False
        # Before the first byte stands, as index -1 has it, the last one: a line end.
        opened, closed = quotes[0::2] - 1, quotes[1::2] + 1
        return bool(self._is_edge[text[opened]].all() and self._is_edge[text[closed]].all())

    def _has_empty_row(self, table: pa.Table) -> bool:
        """Whether some row is empty in all wanted columns: perhaps nothing but delimiters."""
        empty = None
        for column in table.columns:
            is_empty = pc.equal(pc.binary_length(column), 0)
            empty = is_empty if empty is None else pc.and_(empty, is_empty)
            if not pc.any(empty).as_py():
                return False
        return True

    def _careful(self, data: bytes, at_end: bool) -> tuple[Block, bytes]:
        """Line by line; what has to wait for the lines to come is given back."""
        lines = data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        rows, numbers, faults = [], [], []
        at, held = 0, b""
        while at < len(lines):
            taken, row = self._row(lines, at)
            if taken is None:
                if not at_end and sum(map(len, lines[at:])) < _LONGEST:
                    held = b"\n".join(lines[at:]) + b"\n"
                    break
                taken, row = 1, UNCLOSED
            if isinstance(row, str):
                faults.append((self.line + at, row))
            elif row:
                rows.append(row)
                numbers.append(self.line + at)
            at += taken
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(self.wanted)
        arrays = [pa.array(column, pa.binary()) for column in columns]
        return Block(arrays, np.array(numbers, dtype=np.int64), faults), held

    def _row(self, lines: list[bytes], at: int) -> tuple[int | None, list[bytes] | str]:
        """How many lines the row at `lines[at]` takes, and its wanted fields, or what is wrong with
        it; no fields for a blank line. None lines: a value may go on after the last of `lines`."""
        line = lines[at].rstrip(b"\r")
        if len(line) > _LONGEST:
            return 1, TOO_LONG.format(len(line))
        if not line.strip(b' \t"' + self.delimiter):
            return 1, []
        fields = self._split(line)
        if fields is None and line.count(b'"') % 2:
            taken, joined = self._joined(lines, at)
            if joined is not None:
                return taken, joined
            if taken is None:
                return None, UNCLOSED
        if fields is None:
            return 1, UNCLOSED
        if len(fields) != self.width:
            return 1, WIDTH.format(len(fields), "s" * (len(fields) != 1), self.width)
        if b"\r" in line:
            return 1, CARRIAGE_RETURN
        return 1, [fields[index] for index in self.wanted]

    def _joined(self, lines: list[bytes], at: int) -> tuple[int | None, list[bytes] | str | None]:
        """As `_row`, of a row whose values hold line breaks; (1, None): it is none.

        A quote that closes after lines that are rows by themselves has not been opened here: it is
        a stray one.
        """
        text = lines[at]
        for taken, line in enumerate(lines[at + 1 : at + _MOST_LINES], 2):
            alone = self._split(line.rstrip(b"\r"))
            if alone is not None and len(alone) == self.width > 1:
                return 1, None
            text += b"\n" + line
            if line.count(b'"') % 2:
                fields = self._split(text.rstrip(b"\r"))
                if fields is None or len(fields) != self.width:
                    return 1, None
                row = [fields[index] for index in self.wanted]
                if any(b"\n" in f for place, f in enumerate(row) if place != self.breakable):
                    return taken, BROKEN
                return taken, row
        return (None if at + _MOST_LINES > len(lines) else 1), None

    def _split(self, line: bytes) -> list[bytes] | None:
        """The fields of a row; None where its quotes are not those of RFC 4180."""
        if not self.quoted:
            return [_without_quotes(value) for value in line.split(self.delimiter)]
        if b'"' not in line:
            return line.split(self.delimiter)
        fields, at = [], 0
        while True:
            match = self._field.match(line, at)
            if not match:
                return None
            quoted, plain, mark = match.groups()
            fields.append(plain if quoted is None else quoted.replace(b'""', b'"'))
            at = match.end()
            if not mark:
                return fields


def _without_quotes(value: bytes) -> bytes:
    pair = len(value) > 1 and value[:1] == value[-1:] == b'"'
    return value[1:-1] if pair else value


def _unquoted(values: pa.Array) -> pa.Array:
    if not pc.any(pc.starts_with(values, '"')).as_py():
        return values
    return pc.replace_substring_regex(values, '(?s)^"(.*)"$', r"\1")
