"""CSV, TSV and Parquet files as tables of `record` and the canonical columns that they have."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from barcodemae.data.problems import Problems, Unreadable
from barcodemae.data.schemas import ALIASES, BATCH, delimiter_of, is_quoted, match_columns

EMPTY = "empty file: it has columns but no record"
_BLOCK = 1 << 22  # bytes of a CSV file parsed at a time; Arrow reads 32 of them ahead


def delimited_tables(stream: BinaryIO, file: Path, problems: Problems) -> Iterator[pa.Table]:
    """Rows of a table with a header line, in bytes not yet decoded.

    Where commas or semicolons delimit, values are quoted as in RFC 4180. Where tabs do, a quote is
    a letter like any other, but for a pair around a whole value: public tables of specimens hold
    stray ones, and each would swallow the rows up to the next. A row of another width than the
    header goes to `problems`; blank lines do not count.
    """
    header = b""
    while not header.strip():
        header = stream.readline()
    line = header.decode("utf-8", "replace").rstrip("\r\n")
    delimiter = delimiter_of(line)
    try:
        names = next(csv.reader([line], delimiter=delimiter))
    except csv.Error:  # a line end of old within the line, or no end for a hundred kilobytes
        raise Unreadable(
            "its first line is no header of a table. If the file comes from a spreadsheet, give "
            r"it the line ends of Unix (`tr '\r' '\n' < OLD > NEW`); if it holds sequences alone, "
            "make it FASTA, which begins with '>'"
        ) from None
    columns = need_nucleotides(names, "; a FASTA file must begin with '>'")
    malformed: dict[int, str] = {}  # by record
    last = 0
    for batch in _batches(stream, delimiter, len(names), list(columns.values()), malformed):
        numbers = []
        while len(numbers) < len(batch):
            last += 1
            if last in malformed:
                problems.add(file, last, None, malformed.pop(last))
            else:
                numbers.append(last)
        values = batch.columns if is_quoted(delimiter) else map(_unquoted, batch.columns)
        table = pa.table([pa.array(numbers, pa.int64()), *values], ["record", *columns])
        for start in range(0, len(table), BATCH):
            yield table.slice(start, BATCH)
    for record, reason in sorted(malformed.items()):
        problems.add(file, record, None, reason)


def _batches(
    stream: BinaryIO, delimiter: str, width: int, wanted: list[int], malformed: dict[int, str]
) -> Iterator[pa.RecordBatch]:
    """The `wanted` columns of the rows below the header; rows that are not `width` wide are noted
    in `malformed` by their number."""

    def note(row: pa.csv.InvalidRow) -> str:
        malformed[row.number] = (
            f"malformed row: {row.actual_columns} fields where the header has "
            f"{row.expected_columns}; check its delimiters and quotes"
        )
        return "skip"  # what is raised here Arrow swallows

    names = [str(index) for index in range(width)]
    kept = [str(index) for index in wanted]
    read = pa.csv.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=names)
    quoted = is_quoted(delimiter)
    split = pa.csv.ParseOptions(
        delimiter=delimiter,
        quote_char='"' if quoted else False,
        newlines_in_values=quoted,
        invalid_row_handler=note,
    )
    convert = pa.csv.ConvertOptions(
        include_columns=kept, column_types=dict.fromkeys(kept, pa.binary())
    )
    done = 0
    try:
        for batch in pa.csv.open_csv(stream, read, split, convert):
            yield batch
            done += len(batch)
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            raise Unreadable(EMPTY) from None
        raise Unreadable(f"malformed file: after record {done}, {error}") from None


def _unquoted(values: pa.Array) -> pa.Array:
    if not pc.any(pc.starts_with(values, '"')).as_py():
        return values
    return pc.replace_substring_regex(values, '(?s)^"(.*)"$', r"\1")


def parquet_tables(raw: BinaryIO) -> Iterator[pa.Table]:
    """Rows of a Parquet file, a few thousand at a time."""
    try:
        file = pq.ParquetFile(raw)
        columns = need_nucleotides(file.schema_arrow.names)
        if not file.metadata.num_rows:
            raise Unreadable(EMPTY)
        wanted = [file.schema_arrow.names[index] for index in columns.values()]
        done = 0
        for batch in file.iter_batches(BATCH, columns=wanted):
            numbers = np.arange(done + 1, done + len(batch) + 1)
            values = [batch[name] for name in wanted]
            yield pa.table([pa.array(numbers), *values], ["record", *columns])
            done += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"damaged Parquet: {error}") from None


def need_nucleotides(names: list[str], hint: str = "") -> dict[str, int]:
    """Positions of the canonical columns in a table, or `Unreadable` if it has no barcodes."""
    columns = match_columns(names)
    if "nucleotides" not in columns:
        shown = ", ".join(name[:40] for name in names[:30])
        raise Unreadable(
            f"no nucleotide column: found {shown}; name the one with the barcodes "
            f"{' or '.join(ALIASES['nucleotides'][:2])}{hint}"
        )
    return columns
