"""Parsers of one file each: FASTA and FASTQ, CSV and TSV, Parquet, told apart by their content.

Every parser yields `pa.Table`s of some thousand records: `record`, the number of each record within
the file, and those canonical columns that the file has (text, or bytes not yet decoded).
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from barcodemae.data.problems import GZIP_ERRORS, Problems, Unreadable
from barcodemae.data.sequence_files import fasta_tables, fastq_tables
from barcodemae.data.table_files import delimited_tables, parquet_tables

_BOM = b"\xef\xbb\xbf"
_OTHER_FORMATS = {
    b"BZh": "a bzip2 archive: unpack it first",
    b"\xfd7zXZ": "an xz archive: unpack it first",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive: unpack it first",
    b"PK\x03\x04": "a zip archive or a spreadsheet: unpack it, or save the sheet as CSV",
    b"ARROW1": "an Arrow file: save it as Parquet",
    b"\xff\xfe": "UTF-16 text: convert it, for example with `iconv -f utf-16 -t utf-8`",
    b"\xfe\xff": "UTF-16 text: convert it, for example with `iconv -f utf-16 -t utf-8`",
}


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
        except GZIP_ERRORS as error:
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
        return parquet_tables(raw)
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
        return fasta_tables(stream)
    if start.startswith(b"@"):
        return fastq_tables(stream)
    return delimited_tables(stream, file, problems)
