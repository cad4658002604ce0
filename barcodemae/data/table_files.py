"""CSV, TSV and Parquet files as tables of `record` and the canonical columns that they have."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from barcodemae.data.packed import PACKING_ERRORS, Unreadable
from barcodemae.data.problems import Problems
from barcodemae.data.rows import EMPTY, RowReader, read_header
from barcodemae.data.schemas import (
    ALIASES,
    BATCH,
    RepeatedColumn,
    is_weak_id,
    match_columns,
)
from barcodemae.data.source_settings import SourceSettings
from barcodemae.errors import first_line

_MOST_NAMED, _LONGEST_NAME = 30, 40  # columns of a table, and letters of each


def delimited_tables(
    stream: io.BufferedReader, file: Path, problems: Problems, settings: SourceSettings
) -> Iterator[pa.Table]:
    """Rows of a table with a header line, in bytes not yet decoded.

    Where commas or semicolons delimit, values are quoted as in RFC 4180. Where tabs do, a quote is
    a letter like any other, but for a pair around a whole value: public tables of specimens hold
    stray ones, and each would swallow the rows up to the next. What is no row goes to `problems`;
    blank lines, and those of nothing but delimiters, do not count.
    """
    header = read_header(stream)
    columns = need_nucleotides(header.names, "; a FASTA file must begin with '>'")
    note_ids(columns, header.names, settings)
    wanted = list(columns.values())
    breakable = list(columns).index("nucleotides")
    reader = RowReader(header.delimiter, len(header.names), wanted, breakable, header.line + 1)
    done, failure = 0, None
    blocks = reader.blocks(stream)
    while True:
        try:
            block = next(blocks, None)
        except PACKING_ERRORS as error:
            failure, block = error, None
        if block is None:
            break
        sound, faulty = block.numbers(done + 1)
        for record, (line, reason) in zip(faulty, block.faults, strict=True):
            problems.add(file, record, None, reason, line)
        done += len(sound) + len(faulty)
        table = pa.table([pa.array(sound), *block.columns], ["record", *columns])
        for start in range(0, len(table), BATCH):
            yield table.slice(start, BATCH)
    if failure:
        raise failure
    if not done:
        raise Unreadable(EMPTY)


def parquet_tables(raw: io.BufferedReader, settings: SourceSettings) -> Iterator[pa.Table]:
    """Rows of a Parquet file, a few thousand at a time."""
    try:
        file = pq.ParquetFile(raw)
        names = file.schema_arrow.names
        columns = need_nucleotides(names)
        note_ids(columns, names, settings)
        if not file.metadata.num_rows:
            raise Unreadable(EMPTY)
        wanted = [names[index] for index in columns.values()]
        done = 0
        for batch in file.iter_batches(BATCH, columns=wanted):
            numbers = np.arange(done + 1, done + len(batch) + 1)
            values = [batch.column(batch.schema.get_field_index(name)) for name in wanted]
            yield pa.table([pa.array(numbers), *values], ["record", *columns])
            done += len(batch)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = first_line(error)
        raise Unreadable(f"damaged Parquet: {reason}; fetch or write the file again") from None


def need_nucleotides(names: Sequence[str], hint: str = "") -> dict[str, int]:
    """Positions of the canonical columns in a table, or `Unreadable` if it has no barcodes."""
    try:
        columns = match_columns(names)
    except RepeatedColumn as repeated:
        raise Unreadable(
            f"two columns are called {str(repeated)!r}: rename the one that is not meant"
        ) from None
    if "nucleotides" not in columns:
        raise Unreadable(
            f"no nucleotide column: found {', '.join(_shown(names))}; name the one with the "
            f"barcodes {' or '.join(ALIASES['nucleotides'][:2])}{hint}"
        )
    return columns


def note_ids(columns: dict[str, int], names: Sequence[str], settings: SourceSettings) -> None:
    """Write down the column that the ids come from, and what is not used; take the ids out where
    they are to be numbered."""
    rest = [name for place, name in enumerate(names) if place not in columns.values()]
    settings.unused = tuple(_shown([name for name in rest if name.strip()]))
    settings.id_column = ""
    if "processid" in columns:
        settings.id_column = re.sub(r"\s+", " ", names[columns["processid"]])
        settings.may_be_no_id = is_weak_id(settings.id_column)
        if settings.numbered:
            del columns["processid"]
    settings.found = "table"


def _shown(names: Sequence[str]) -> list[str]:
    """Names of columns, as many and as much of each as a message may hold."""
    return [re.sub(r"\s+", " ", name)[:_LONGEST_NAME] for name in names[:_MOST_NAMED]]
