"""Parsers of one file each: FASTA and FASTQ, CSV and TSV, Parquet, told apart by their content.

Every parser yields `pa.Table`s of some thousand records: `record`, the number of each record within
the file, and those canonical columns that the file has (text, or bytes not yet decoded).
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pyarrow as pa

from barcodemae.data.packed import (
    DAMAGED,
    PACKING_ERRORS,
    Unreadable,
    opened,
    packing_of,
    skip_blank,
    unpack,
)
from barcodemae.data.problems import Problems
from barcodemae.data.sequence_files import fasta_tables, fastq_tables
from barcodemae.data.source_settings import SourceSettings
from barcodemae.data.table_files import delimited_tables, parquet_tables

_BOM = b"\xef\xbb\xbf"
_PARQUET = b"PAR1"
_UTF_16 = "UTF-16 text: convert it, for example with `iconv -f utf-16 -t utf-8`"
_OTHER_FORMATS = {
    b"ARROW1": "an Arrow file: save it as Parquet",
    b"\xff\xfe": _UTF_16,
    b"\xfe\xff": _UTF_16,
    b"\xd0\xcf\x11\xe0": "a spreadsheet (.xls): save the sheet as CSV and name that file",
    b"%PDF": "a PDF: give the data themselves",
    b"<!DOCTYPE": "a web page: fetch the data themselves",
    b"<html": "a web page: fetch the data themselves",
    b"LOCUS ": "a GenBank flat file: fetch it as FASTA",
    b"#NEXUS": "a NEXUS alignment: save it as FASTA",
    b"{": "JSON: save it as CSV or Parquet",
    b"[{": "JSON: save it as CSV or Parquet",
}


def parse(
    file: Path,
    problems: Problems,
    advance: Callable[[int], object],
    settings: SourceSettings | None = None,
) -> Iterator[pa.Table]:
    """Tables of the records of one file; `advance` is told the bytes gone through.

    A fault that makes the rest of the file unreadable goes to `problems` without a record number.
    """
    size, told = file.stat().st_size, 0
    with opened(file) as raw:
        head = raw.peek(6)[:6]
        try:
            for table in _records(raw, file, problems, settings or SourceSettings()):
                yield table
                at = size if raw.closed else raw.tell()  # a finished text reader closes its file
                advance(at - told)
                told = at
        except Unreadable as error:
            problems.add(file, None, None, str(error))
        except PACKING_ERRORS as error:
            problems.add(
                file, None, None, DAMAGED.format(packing_of(head), error or "it ends early")
            )
        advance(size - told)


def content(raw: io.BufferedReader) -> tuple[str, io.BufferedReader]:
    """What an opened file holds ("parquet", "fasta", "fastq" or "table") and its stream, unpacked.

    Raises:
        Unreadable: another one, or none.
        one of PACKING_ERRORS: the packing is damaged.
    """
    stream = unpack(raw)
    head = stream.peek(9)[:9]
    for magic, reason in _OTHER_FORMATS.items():
        if head.startswith(magic):
            raise Unreadable(f"not a format that is read: {reason}")
    if head.startswith(_PARQUET):
        return "parquet", _seekable(raw, stream)
    while stream.peek(3).startswith(_BOM):
        stream.read(3)
    skip_blank(stream)
    start = stream.peek(1 << 16)[: 1 << 16]
    if not start.strip():
        raise Unreadable("empty file: it holds no record; give one that has")
    if b"\0" in start[:1000]:
        raise Unreadable("not text: binary data, or UTF-16 to be converted to UTF-8")
    start = start.lstrip()
    if start.startswith(b">") or (start.startswith(b"#") and b"\n>" in start.replace(b"\r", b"\n")):
        return "fasta", stream
    return ("fastq" if start.startswith(b"@") else "table"), stream


def _records(
    raw: io.BufferedReader, file: Path, problems: Problems, settings: SourceSettings
) -> Iterator[pa.Table]:
    kind, stream = content(raw)
    settings.found = kind
    if kind == "parquet":
        return parquet_tables(stream, settings)
    if kind == "fasta":
        return fasta_tables(stream, settings)
    if kind == "fastq":
        return fastq_tables(stream, settings)
    return delimited_tables(stream, file, problems, settings)


def _seekable(raw: io.BufferedReader, stream: io.BufferedReader) -> io.BufferedReader:
    """`stream`, or where it is unpacked from `raw` a copy that can be read from anywhere."""
    if stream is raw:
        raw.seek(0)
        return raw
    copy = cast(io.BufferedReader, tempfile.TemporaryFile())  # noqa: SIM115 (as long as its reader)
    while piece := stream.read1(1 << 20):
        copy.write(piece)
    copy.seek(0)
    return copy
