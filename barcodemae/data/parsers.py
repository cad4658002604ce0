"""Parsers of one file each: FASTA and FASTQ, CSV and TSV, Parquet, told apart by their content.

Every parser yields `pa.Table`s of some thousand records: those canonical columns that the file has
(text, or bytes not yet decoded) and `record`, the number of each record within the file.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import dnaio
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from barcodemae.data.problems import Problems
from barcodemae.data.schemas import ALIASES, delimiter_of, match_columns

BATCH = 16_384  # records, about 10 MB of barcodes
_BLOCK = 1 << 22  # bytes of a CSV file parsed at a time; Arrow reads 32 of them ahead
EMPTY = "empty file: it has columns but no record"
_BOM = b"\xef\xbb\xbf"
_UNDECODED = re.compile("[\ud800-\udfff]")
_OTHER_FORMATS = {
    b"BZh": "a bzip2 archive: unpack it first",
    b"\xfd7zXZ": "an xz archive: unpack it first",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive: unpack it first",
    b"PK\x03\x04": "a zip archive or a spreadsheet: unpack it, or save the sheet as CSV",
    b"ARROW1": "an Arrow file: save it as Parquet",
    b"\xff\xfe": "UTF-16 text: convert it, for example with `iconv -f utf-16 -t utf-8`",
    b"\xfe\xff": "UTF-16 text: convert it, for example with `iconv -f utf-16 -t utf-8`",
}


class Unreadable(Exception):
    """The rest of a file cannot be read, for the reason given."""


def parse(file: Path, problems: Problems, advance: Callable[[int], None]) -> Iterator[pa.Table]:
    """Tables of the records of one file; `advance` is told the bytes gone through.

    A fault that spoils the file from some record on goes to `problems` without a record number.
    """
    size, told = file.stat().st_size, 0
    with open(file, "rb") as raw:
        try:
            for table in _records(raw, file, problems):
                yield table
                at = size if raw.closed else raw.tell()  # a finished text reader closes its file
                advance(at - told)
                told = at
        except Unreadable as error:
            problems.add(file, None, None, str(error))
        except (EOFError, gzip.BadGzipFile, gzip.zlib.error) as error:
            reason = f"truncated or damaged gzip: {error}; fetch or compress the file again"
            problems.add(file, None, None, reason)
        advance(size - told)


def _records(raw: BinaryIO, file: Path, problems: Problems) -> Iterator[pa.Table]:
    head = raw.read(8)
    raw.seek(0)
    for magic, reason in _OTHER_FORMATS.items():
        if head.startswith(magic):
            raise Unreadable(f"not a format that is read: {reason}")
    if head.startswith(b"PAR1"):
        return _parquet(raw)
    stream = gzip.GzipFile(fileobj=raw) if head.startswith(b"\x1f\x8b") else raw
    stream = io.BufferedReader(stream, 1 << 20)
    if stream.peek(3).startswith(_BOM):
        stream.read(3)
    start = stream.peek(1 << 16)[: 1 << 16].lstrip()
    if not start:
        raise Unreadable("empty file: it holds no record")
    if b"\0" in start:
        raise Unreadable("not text: binary data, or UTF-16 to be converted to UTF-8")
    if start.startswith(b">") or (start.startswith(b"#") and b"\n>" in start):
        return _fasta(stream)
    if start.startswith(b"@"):
        return _fastq(stream)
    return _delimited(stream, file, problems)


class _Record(NamedTuple):
    """What dnaio fills in place of its own record, which refuses names that are not ASCII."""

    name: str
    sequence: str
    qualities: str | None


class _FastaReader(dnaio.FastaReader):
    """Carries undecodable bytes through, so that the record that holds them can be named."""

    def __init__(self, stream: BinaryIO):
        super().__init__(stream, sequence_class=_Record)
        self._file.reconfigure(encoding="utf-8", errors="surrogateescape")


def _fasta(stream: BinaryIO) -> Iterator[pa.Table]:
    return _sequences(iter(_FastaReader(stream)))


def _fastq(stream: BinaryIO) -> Iterator[pa.Table]:
    return _sequences(iter(dnaio.FastqReader(stream)))


def _sequences(reader: Iterator) -> Iterator[pa.Table]:
    """The id is the first word of the header; its other words are not read."""
    done = 0
    while True:
        ids, barcodes = [], []
        try:
            for record in islice(reader, BATCH):
                ids.append(_id(record.name))
                barcodes.append(record.sequence)
        except (dnaio.FileFormatError, UnicodeDecodeError) as error:
            failure = Unreadable(f"malformed file: after record {done + len(ids)}, {error}")
        except (EOFError, gzip.BadGzipFile, gzip.zlib.error) as error:
            failure = error
        else:
            failure = None
        if ids:
            columns = {"processid": _encode(ids), "nucleotides": _encode(barcodes)}
            yield _number(columns, np.arange(done + 1, done + len(ids) + 1))
        if failure:
            raise failure
        if not ids:
            return
        done += len(ids)


def _id(header: str) -> str:
    id = header.split(maxsplit=1)[0] if header.strip() else ""
    # Bytes that are not UTF-8 anywhere in the header show that the file is in another encoding.
    return id if header.isascii() or not _UNDECODED.search(header) else header


def _encode(values: list[str]) -> pa.Array:
    return pa.array([value.encode("utf-8", "surrogateescape") for value in values], pa.binary())


def _delimited(stream: BinaryIO, file: Path, problems: Problems) -> Iterator[pa.Table]:
    """CSV or TSV: a header line with known column names, quoting as in RFC 4180."""
    header = b""
    while not header.strip():
        header = stream.readline()
    line = header.decode("utf-8", "replace").rstrip("\r\n")
    delimiter = delimiter_of(line)
    names = next(csv.reader([line], delimiter=delimiter))
    columns = need_nucleotides(names, "; a FASTA file must begin with '>'")
    malformed: dict[int, str] = {}  # by record; Arrow counts rows from 1, blank lines left out

    def note(row: pa.csv.InvalidRow) -> str:
        malformed[row.number] = (
            f"malformed row: {row.actual_columns} fields where the header has "
            f"{row.expected_columns}; check its delimiters and quotes"
        )
        return "skip"  # Arrow swallows what is raised here, so it is reported by the loop below

    indices = [str(index) for index in range(len(names))]
    wanted = [str(index) for index in columns.values()]
    try:
        batches = pa.csv.open_csv(
            stream,
            pa.csv.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=indices),
            pa.csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note
            ),
            pa.csv.ConvertOptions(
                include_columns=wanted, column_types=dict.fromkeys(wanted, pa.binary())
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            raise Unreadable(EMPTY) from None
        raise Unreadable(f"malformed: {error}") from None
    last = 0
    while True:
        try:
            batch = batches.read_next_batch()
        except StopIteration:
            break
        except pa.ArrowInvalid as error:
            raise Unreadable(f"malformed file: after record {last}, {error}") from None
        numbers = []
        while len(numbers) < len(batch):
            last += 1
            if last in malformed:
                problems.add(file, last, None, malformed.pop(last))
            else:
                numbers.append(last)
        table = _number(dict(zip(columns, batch.columns, strict=True)), np.array(numbers, np.int64))
        for start in range(0, len(table), BATCH):
            yield table.slice(start, BATCH)
    for record, reason in sorted(malformed.items()):
        problems.add(file, record, None, reason)


def _parquet(raw: BinaryIO) -> Iterator[pa.Table]:
    try:
        file = pq.ParquetFile(raw)
        columns = need_nucleotides(file.schema_arrow.names)
        if not file.metadata.num_rows:
            raise Unreadable(EMPTY)
        wanted = [file.schema_arrow.names[index] for index in columns.values()]
        done = 0
        for batch in file.iter_batches(BATCH, columns=wanted):
            numbers = np.arange(done + 1, done + len(batch) + 1)
            yield _number({c: batch[w] for c, w in zip(columns, wanted, strict=True)}, numbers)
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


def _number(columns: dict[str, pa.Array], numbers: np.ndarray) -> pa.Table:
    return pa.table({"record": pa.array(numbers, pa.int64()), **columns})
