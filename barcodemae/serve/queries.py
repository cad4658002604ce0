"""What visitors of the page paste or upload, read within limits and left nowhere."""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from barcodemae.data import read_barcodes, read_report
from barcodemae.data.packed import PACKING_ERRORS, Unreadable, unpack
from barcodemae.data.spreadsheets import first_sheet, write_csv
from barcodemae.errors import BarcodeMAEError

ENDINGS = (
    *(".fasta", ".fa", ".fas", ".fna", ".fastq", ".fq", ".csv", ".tsv", ".txt", ".xlsx"),
    *(".parquet", ".gz", ".bz2", ".xz", ".zst", ".zip"),
)
_GROWTH = 20  # times that a packed file may grow: barcodes pack to a quarter
_PIECE = 1 << 20
_PLAIN = re.compile(r"[A-Za-z?*.-]{20,}")


@dataclass(frozen=True)
class Limits:
    """What one request may ask for, and how long it may take.

    Attributes:
        barcodes: at most so many.
        megabytes: of the text or file.
        seconds: after which it stops with what it has.
    """

    barcodes: int = 1000
    megabytes: float = 5
    seconds: float = 120

    @property
    def bytes(self) -> int:
        return int(self.megabytes * 1_000_000)

    def __str__(self) -> str:
        return (
            f"at most {self.barcodes:,} barcodes, {self.megabytes:g} MB and "
            f"{self.seconds:g} seconds at a time"
        )


@dataclass(frozen=True)
class Queries:
    """Barcodes with their ids, and why other records were left out."""

    ids: list[str]
    barcodes: list[str]
    left_out: list[str]


def read_text(text: str, limits: Limits) -> Queries:
    """Barcodes pasted as FASTA, a table, or plain nucleotides, one barcode a line.

    Raises:
        BarcodeMAEError: it is empty, too much, or nothing that holds barcodes.
    """
    if not text.strip():
        raise BarcodeMAEError("nothing was given: paste barcodes or drop a file")
    content = text.encode("utf-8", "surrogateescape")
    if len(content) > limits.bytes:
        raise BarcodeMAEError(_too_large(limits))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if all(_PLAIN.fullmatch(line) for line in lines):
        numbered = (f">barcode{n}\n{line}\n" for n, line in enumerate(lines, 1))
        content = "".join(numbered).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pasted text"
        path.write_bytes(content)
        return _read(path, Path(folder), limits)


def read_upload(upload: Path, limits: Limits) -> Queries:
    """Barcodes of an uploaded file, which is deleted.

    Raises:
        BarcodeMAEError: it is too large (unpacked, too), holds too many, or no barcodes.
    """
    try:
        if upload.stat().st_size > limits.bytes:
            raise BarcodeMAEError(_too_large(limits))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / upload.name
            with upload.open("rb") as file:
                _unpack(file, path, limits)
            return _read(path, Path(folder), limits)
    except FileNotFoundError:
        raise BarcodeMAEError("the file was deleted after it was read; drop it again") from None
    finally:
        upload.unlink(missing_ok=True)


def _too_large(limits: Limits) -> str:
    return (
        f"this is more than {limits.megabytes:g} MB; give fewer barcodes at a time, or identify "
        "them on your own machine with `barcodemae identify`"
    )


def _too_many(limits: Limits) -> str:
    return (
        f"these are more than {limits.barcodes:,} barcodes; give fewer at a time, or identify "
        "them on your own machine with `barcodemae identify`"
    )


def _unpack(file: BinaryIO, path: Path, limits: Limits) -> None:
    """Write what `file` holds, unpacked and no longer a spreadsheet, to `path`."""
    head = file.read(4)
    file.seek(0)
    try:
        if head == b"PK\x03\x04" and _is_spreadsheet(file):
            _spreadsheet_to_csv(file, path, limits)
            return
        file.seek(0)
        source, room = unpack(file), limits.bytes * _GROWTH
        with path.open("wb") as sink:
            while piece := source.read(_PIECE):
                room -= len(piece)
                if room < 0:
                    raise BarcodeMAEError(f"{path.name}: unpacked, {_too_large(limits)}")
                sink.write(piece)
    except Unreadable as error:
        raise BarcodeMAEError(f"{path.name}: {error}") from None
    except PACKING_ERRORS as error:
        raise BarcodeMAEError(
            f"{path.name}: truncated or damaged ({error}); pack or export it again"
        ) from None
    if path.open("rb").read(4) == b"PAR1":
        _check_parquet(path, limits)


def _is_spreadsheet(file: BinaryIO) -> bool:
    return "[Content_Types].xml" in zipfile.ZipFile(file).namelist()


def _spreadsheet_to_csv(file: BinaryIO, path: Path, limits: Limits) -> None:
    """The first sheet as CSV."""
    with zipfile.ZipFile(file) as archive:
        if sum(info.file_size for info in archive.infolist()) > limits.bytes * _GROWTH:
            raise BarcodeMAEError(f"{path.name}: unpacked, {_too_large(limits)}")

    def few() -> Iterator[tuple]:
        for number, row in enumerate(first_sheet(file)):
            if number > 2 * limits.barcodes:  # blank rows and a header aside
                raise BarcodeMAEError(_too_many(limits))
            yield row

    with path.open("wb") as sink:
        write_csv(few(), sink)


def _check_parquet(path: Path, limits: Limits) -> None:
    try:
        metadata = pq.ParquetFile(path).metadata
    except (pa.ArrowException, OSError) as error:
        raise BarcodeMAEError(f"{path.name}: damaged Parquet ({error}); write it again") from None
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    if metadata.num_rows > limits.barcodes:
        raise BarcodeMAEError(_too_many(limits))
    if sum(group.total_byte_size for group in groups) > limits.bytes * _GROWTH:
        raise BarcodeMAEError(f"{path.name}: unpacked, {_too_large(limits)}")


def _read(path: Path, folder: Path, limits: Limits) -> Queries:
    try:
        found = read_barcodes(
            [path],
            prepare=False,
            ids="number",
            on_error="skip",
            num_threads=1,
            cache_dir=folder,  # goes with the folder: nothing stays in the cache of data sets
            progress=False,
        )
    except BarcodeMAEError as error:
        raise BarcodeMAEError(str(error).replace(f"{folder}/", "")) from None
    if len(found) > limits.barcodes:
        raise BarcodeMAEError(_too_many(limits))
    report = read_report(found)
    left_out = [
        f"record {entry.record}{f' ({entry.id})' if entry.id else ''}: {entry.reason}"
        for entry in report.left_out
    ]
    return Queries(found["processid"][:], found["nucleotides"][:], left_out)
