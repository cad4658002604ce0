import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pandas as pd
import pytest

from barcodemae.data.packed import zstd
from barcodemae.errors import BarcodeMAEError

FASTA = b">a\nACGT\n>b\nACC\n"


def zipped(**files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def tarred(mode="w"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        info = tarfile.TarInfo("barcodes.fa")
        info.size = len(FASTA)
        archive.addfile(info, io.BytesIO(FASTA))
    return packed.getvalue()


def as_parquet():
    packed = io.BytesIO()
    pd.DataFrame({"id": ["a", "b"], "sequence": ["ACGT", "ACC"]}).to_parquet(packed)
    return packed.getvalue()


PACKED = {
    "gzip": gzip.compress(FASTA),
    "bzip2": bz2.compress(FASTA),
    "xz": lzma.compress(FASTA),
    "Zstandard": zstd.compress(FASTA),
    "zip": zipped(**{"barcodes.fa": FASTA}),
    "zip of macOS": zipped(**{"a/b.fa": FASTA, "__MACOSX/a/._b.fa": b"x", "a/.DS_Store": b"x"}),
    "gzip in zip": zipped(**{"barcodes.fa.gz": gzip.compress(FASTA)}),
    "Parquet in zip": zipped(**{"barcodes.parquet": as_parquet()}),
    "Parquet in Zstandard": zstd.compress(as_parquet()),
}


@pytest.mark.parametrize("content", PACKED.values(), ids=PACKED)
def test_a_packed_file_is_read_whatever_it_is_called(read, write, content):
    barcodes = read(write("barcodes", content))
    assert barcodes["processid"][:] == ["a", "b"] and barcodes["nucleotides"][:] == ["ACGT", "ACC"]


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "Zstandard"])
@pytest.mark.parametrize("cut", [-5, 12])
def test_a_packed_file_that_breaks_off(read, write, name, cut):
    with pytest.raises(BarcodeMAEError, match=f"truncated or damaged {name}.*fetch or compress"):
        read(write("barcodes", PACKED[name][:cut]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tarred(), "a tar archive .its first member is barcodes.fa.: unpack it"),
        (tarred("w:gz"), "a tar archive"),
        (zstd.compress(tarred()), "a tar archive"),
        (
            zipped(**{"a.fa": FASTA, "b.fa": FASTA}),
            "a zip archive with 2 files .a.fa, b.fa.: unpack",
        ),
        (zipped(**{"__MACOSX/a": b""}), "a zip archive with 0 files"),
        (
            zipped(**{"[Content_Types].xml": b"", "xl/a.xml": b""}),
            "no workbook that can be read .*; save the sheet as CSV",
        ),
        (
            gzip.compress(zipped(**{"[Content_Types].xml": b"", "xl/a.xml": b""})),
            r"a spreadsheet .* that is packed: unpack it",
        ),
        (
            zipped(**{"[Content_Types].xml": b"", "word/document.xml": b""}),
            r"a Word document .*: save the barcodes as plain text",
        ),
        (b"\xd0\xcf\x11\xe0 ...", "a spreadsheet .*: save the sheet as CSV"),
        (b'{"a": 1}', "JSON: save it as CSV"),
    ],
)
def test_other_files_are_called_what_they_are(read, write, content, reason):
    with pytest.raises(BarcodeMAEError, match=f"barcodes: .*({reason})"):
        read(write("barcodes", content))


def test_blank_lines_before_the_records(read, write):
    path = write("barcodes", b"\n" * 70_000 + b" \r\n" * 1000 + b">a\nAC\n>b\n\n>c\nQ\n")
    with pytest.raises(BarcodeMAEError, match=r"record 2 \(id 'b', line 71003\): no sequence"):
        read(path)
    assert read(path, on_error="skip")["processid"][:] == ["a"]
