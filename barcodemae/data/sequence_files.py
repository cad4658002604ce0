"""FASTA and FASTQ files as tables of `record`, `processid` and `nucleotides`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, NamedTuple

import dnaio
import numpy as np
import pyarrow as pa

from barcodemae.data.problems import GZIP_ERRORS, Unreadable
from barcodemae.data.schemas import BATCH

_UNDECODED = re.compile("[\ud800-\udfff]")


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


def fasta_tables(stream: BinaryIO) -> Iterator[pa.Table]:
    """Records of a FASTA file; the id is the first word of the header, its other words are lost."""
    return _sequences(iter(_FastaReader(stream)))


def fastq_tables(stream: BinaryIO) -> Iterator[pa.Table]:
    """Records of a FASTQ file, four lines each; the qualities are not used."""
    try:
        reader = dnaio.FastqReader(stream)  # reads ahead
    except dnaio.FileFormatError as error:
        raise Unreadable(f"malformed file: after record 0, {error}") from None
    return _sequences(iter(reader))


def _sequences(reader: Iterator) -> Iterator[pa.Table]:
    done = 0
    while True:
        ids, barcodes = [], []
        try:
            for record in islice(reader, BATCH):
                ids.append(_id(record.name))
                barcodes.append(record.sequence)
        except (dnaio.FileFormatError, UnicodeDecodeError) as error:
            failure = Unreadable(f"malformed file: after record {done + len(ids)}, {error}")
        except GZIP_ERRORS as error:
            failure = error
        else:
            failure = None
        if ids:
            record = pa.array(np.arange(done + 1, done + len(ids) + 1))
            columns = {"processid": _encode(ids), "nucleotides": _encode(barcodes)}
            yield pa.table({"record": record, **columns})
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
