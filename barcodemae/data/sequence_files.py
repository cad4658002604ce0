"""FASTA and FASTQ files as tables of `record`, `processid`, `nucleotides` and labels of headers."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import islice

import dnaio
import numpy as np
import pyarrow as pa

from barcodemae.data.headers import HEADER_FORMATS, PLAIN, HeaderFormat, recognise
from barcodemae.data.packed import PACKING_ERRORS, Unreadable
from barcodemae.data.schemas import BATCH, MARKER, RANKS
from barcodemae.data.source_settings import NAMED, SourceSettings

_BLOCK = 1 << 20  # bytes read at a time
_SAMPLE = 1000  # headers that tell the format
_FROM_HEADERS = (*RANKS, "dna_bin", MARKER)
_NOTE = re.compile(rb" mended=\S+$")  # what `barcodemae check --repair` puts behind the id


_FAULTS: tuple[type[Exception], ...] = (Unreadable, *PACKING_ERRORS)


def fasta_tables(stream: io.BufferedReader, settings: SourceSettings) -> Iterator[pa.Table]:
    """Records of a FASTA file. What the header holds beside the id is read in the formats of
    `headers`; the format is noted in `settings.found`."""
    return _tables(_fasta_records(stream), settings)


def fastq_tables(stream: io.BufferedReader, settings: SourceSettings) -> Iterator[pa.Table]:
    """Records of a FASTQ file, four lines each; the qualities are not used."""
    return _tables(_fastq_records(stream), settings)


def _fasta_records(stream: io.BufferedReader) -> Iterator[tuple[bytes, bytes]]:
    """Header and sequence; lines may end as in Unix, DOS or on old Macs. Not with dnaio, which
    drops lines that begin with # inside a record, and refuses what is not ASCII."""
    left, begun = b"", False
    while True:
        block = stream.read1(_BLOCK)
        data = left + block
        held = b"\r" if block and data.endswith(b"\r") else b""  # half of a DOS line end?
        data = data[: len(data) - len(held)]
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not begun:
            begun, data = _start(data, last=not block)
        end = data.rfind(b"\n>") if block else len(data)
        if begun and end > 0:
            for record in data[1:end].split(b"\n>"):
                header, _, sequence = record.partition(b"\n")
                yield header.strip(), sequence.replace(b"\n", b"")
            data = data[end + 1 :]
        if not block:
            return
        left = data + held


def _start(data: bytes, last: bool) -> tuple[bool, bytes]:
    """Without the blank lines and comments before the first record, and whether it has begun."""
    while data and data[:1] != b">":
        line, end, rest = data.partition(b"\n")
        if not end and not last:
            return False, data
        data = rest
    return data[:1] == b">", data


def _fastq_records(stream: io.BufferedReader) -> Iterator[tuple[bytes, bytes]]:
    done = 0
    try:
        for record in dnaio.FastqReader(stream):
            yield record.name.encode(), record.sequence.encode()
            done += 1
    except (dnaio.FileFormatError, UnicodeDecodeError, ValueError) as error:
        raise Unreadable(
            f"malformed file: after record {done}, {error}. A FASTQ record has four lines of ASCII "
            "(@id, sequence, +, as many qualities as nucleotides): fetch the file again, or make "
            "it FASTA, for example with `seqkit fq2fa`"
        ) from None


def _tables(records: Iterator[tuple[bytes, bytes]], settings: SourceSettings) -> Iterator[pa.Table]:
    done, style = 0, None
    failure: Exception | None = None
    while not failure:
        headers: list[bytes] = []
        barcodes: list[bytes] = []
        try:
            for header, sequence in islice(records, BATCH):
                headers.append(header)
                barcodes.append(sequence)
        except _FAULTS as error:
            failure = error
        if not headers:
            break
        if style is None:
            style = _style(headers, settings)
            settings.found = style.name
        record = pa.array(np.arange(done + 1, done + len(headers) + 1))
        columns = {"record": record, "nucleotides": pa.array(barcodes, pa.binary())}
        columns |= _columns(headers, style, settings.whole_headers)
        yield pa.table(columns).replace_schema_metadata(NAMED)
        done += len(headers)
    if failure:
        raise failure


def _style(headers: list[bytes], settings: SourceSettings) -> HeaderFormat:
    if settings.header_format:
        return HEADER_FORMATS[settings.header_format]
    return recognise([header.decode("utf-8", "replace") for header in headers[:_SAMPLE]])


def _columns(headers: list[bytes], style: HeaderFormat, whole: bool) -> dict[str, pa.Array]:
    """The ids and, where the headers hold any, taxa, BINs and markers."""
    if style is PLAIN:
        words = [_NOTE.sub(b"", h) if whole else _first_word(h) for h in headers]
        return {"processid": pa.array(words, pa.binary())}
    decoded = (header.decode("utf-8", "surrogateescape") for header in headers)
    taken_apart = [(style if style.matches(text) else PLAIN).parts(text) for text in decoded]
    ids, parts = zip(*taken_apart, strict=True)
    names = [_NOTE.sub(b"", header) for header in headers]
    if not whole:
        pairs = zip(ids, headers, strict=True)
        names = [id.encode() if _is_text(header) else header for id, header in pairs]
    columns = {"processid": pa.array(names, pa.binary())}
    for column in _FROM_HEADERS:
        values = [part.get(column) for part in parts]
        values = [value and value.encode("utf-8", "surrogateescape") for value in values]
        columns[column] = pa.array(values, pa.binary())
    return columns


def _first_word(header: bytes) -> bytes:
    # Bytes that are not UTF-8 anywhere in the header show that the file is in another encoding.
    return header.split(None, 1)[0] if header and _is_text(header) else header


def _is_text(header: bytes) -> bool:
    if header.isascii():
        return True
    try:
        header.decode()
    except UnicodeDecodeError:
        return False
    return True
