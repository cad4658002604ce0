import gzip
import io
import lzma
import zipfile
import zlib

import datasets
import openpyxl
import pandas as pd
import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.serve.queries import Limits, read_text, read_upload

LIMITS = Limits(barcodes=5, megabytes=0.1)
BARCODE = "AACTTTATATTTTATTTTTGGAATTTGAGCAGGAATAGTAGG" * 4
FASTA = f">a\n{BARCODE}\n>b\n{BARCODE}A\n".encode()


def csv(rows=2):
    return "".join(["id,nucleotides\n", *(f"r{n},{BARCODE}\n" for n in range(rows))]).encode()


def workbook(rows, sheet=None):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def parquet(rows=2):
    stream = io.BytesIO()
    ids = [f"r{n}" for n in range(rows)]
    pd.DataFrame({"processid": ids, "nucleotides": [BARCODE] * rows}).to_parquet(stream)
    return stream.getvalue()


def zipped(content, name="x.fasta"):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def read(folder, content, name="x.fasta"):
    path = folder / name
    path.write_bytes(content)
    try:
        return read_upload(path, LIMITS)
    finally:
        assert not path.exists() and list(folder.iterdir()) == []  # read or refused: deleted


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (FASTA, "x.fasta"),
        (gzip.compress(FASTA), "x.fasta.gz"),
        (zipped(FASTA), "x.zip"),
        (csv(), "x.csv"),
        (csv().replace(b",", b"\t"), "x.tsv"),
        (workbook([["id", "nucleotides"], ["a", BARCODE], [None, None], ["b", BARCODE]]), "x.xlsx"),
        (parquet(), "x.parquet"),
        (f"@a\n{BARCODE}\n+\n{'I' * 168}\n@b\n{BARCODE}\n+\n{'I' * 168}\n".encode(), "x.fastq"),
        (FASTA, "<img src=x onerror=alert(1)>.fasta"),
    ],
)
def test_formats_are_read_and_the_upload_is_deleted(tmp_path, content, name):
    found = read(tmp_path, content, name)
    assert len(found.ids) == 2 and found.barcodes[0] == BARCODE and not found.left_out


def bomb():
    return b"\n" * 60_000_000


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b">a\n" + b"A" * 200_000, "x.fasta", "more than 0.1 MB"),
        (gzip.compress(bomb()), "x.fasta.gz", "unpacked"),
        (lzma.compress(bomb(), preset=0), "x.fasta.xz", "unpacked"),
        (zipped(bomb()), "x.zip", "unpacked"),
        (zipped(bomb(), "[Content_Types].xml"), "x.xlsx", "unpacked"),
        (zipped(b"<a", "[Content_Types].xml"), "x.xlsx", "no workbook that can be read"),
        (gzip.compress(FASTA)[:-9], "x.fasta.gz", "truncated or damaged"),
        (b"PK\x03\x04" + b"\xff" * 99, "x.xlsx", "truncated or damaged"),
        (workbook([["id", "nucleotides"], *[["a", BARCODE]] * 20]), "x.xlsx", "more than 5"),
        (workbook([["id", "n"], ["=cmd|'/C calc'!A0", "x"]]), "x.xlsx", "no nucleotide column"),
        (parquet(6), "x.parquet", "more than 5 barcodes"),
        (parquet()[:-30] + b"\xff" * 26 + b"PAR1", "x.parquet", "x.parquet"),
        (b"PAR1" + zlib.compress(b"x" * 99), "x.parquet", "damaged Parquet"),
        (csv(6), "x.csv", "more than 5 barcodes"),
        (b"\x00\xff\xfe" * 999, "x.csv", "x.csv"),
        (b"id\tn\n<script>alert(1)</script>\tACGT\n", "x.tsv", "no nucleotide column"),
        (b">a\nMFINRWLFSTNHKDIGTLY\n", "x.fasta", "not DNA"),
        (b"@a\nACGT\n+\nII\n", "x.fastq", "x.fastq"),
        (b"", "x.fasta", "x.fasta"),
    ],
)
def test_hostile_files_are_refused_in_words_and_deleted(tmp_path, content, name, said):
    with pytest.raises(BarcodeMAEError) as refused:
        read(tmp_path, content, name)
    assert said in str(refused.value) and "/tmp" not in str(refused.value)


def test_nothing_stays_in_the_cache_of_data_sets(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    read_text(FASTA.decode(), LIMITS)
    assert list(tmp_path.iterdir()) == []


def test_text_may_be_fasta_a_table_or_nucleotides_alone():
    assert read_text(FASTA.decode(), LIMITS).ids == ["a", "b"]
    assert read_text(csv().decode(), LIMITS).ids == ["r0", "r1"]
    plain = read_text(f"\n{BARCODE}\n  {BARCODE.lower()}\n", LIMITS)
    assert plain.ids == ["barcode1", "barcode2"] and plain.barcodes == [BARCODE] * 2


def test_faulty_records_are_left_out_and_said():
    found = read_text(FASTA.decode() + ">c\nACGJ\n", LIMITS)
    assert found.ids == ["a", "b"]
    assert len(found.left_out) == 1 and "record 3 (c): not DNA" in found.left_out[0]


@pytest.mark.parametrize("text", ["", "  \n", "hello", "<script>alert(1)</script>", ">a\n"])
def test_text_without_barcodes_is_refused(text):
    with pytest.raises(BarcodeMAEError):
        read_text(text, LIMITS)
