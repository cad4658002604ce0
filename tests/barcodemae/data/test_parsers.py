"""Every format gives the same records, and faults name file, record and line."""

import csv
import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barcodemae.data.parsers import parse
from barcodemae.data.problems import Problems
from barcodemae.errors import BarcodeMAEError

RECORDS = [("A-1", "ACGTNN"), ("b|2", "acg-t"), ("ç3", "TTGCA"), ("d", "RYACGT")]


def as_fasta(records, newline="\n", width=3):
    lines = []
    for id, barcode in records:
        lines += [f">{id} a description"]
        lines += [barcode[start : start + width] for start in range(0, len(barcode), width)]
    return newline.join([*lines, ""]).encode()


def as_fastq(records):
    return "".join(f"@{id} x\n{b}\n+\n{'I' * len(b)}\n" for id, b in records).encode()


def as_table(records, delimiter=",", newline="\n"):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline)
    writer.writerow(["country", "processid", "dna_barcode"])
    writer.writerows(('Costa Rica, "south"', *record) for record in records)
    return text.getvalue().encode()


def as_parquet(records, rows=None, **options):
    sink = io.BytesIO()
    ids, barcodes = zip(*records, strict=True)
    table = pa.table({"processid": ids, "nucleotides": barcodes})
    pq.write_table(table.slice(0, rows), sink, **options)
    return sink.getvalue()


CONTENTS = {
    "fasta": as_fasta(RECORDS),
    "fasta, DOS": as_fasta(RECORDS, "\r\n"),
    "fasta after blank lines and comments": b"\n\n# made by hand\n" + as_fasta(RECORDS),
    "fasta with a byte order mark": b"\xef\xbb\xbf" + as_fasta(RECORDS),
    "fasta, gzipped twice over": gzip.compress(as_fasta(RECORDS[:2]))
    + gzip.compress(as_fasta(RECORDS[2:])),
    "csv": as_table(RECORDS),
    "csv, DOS, byte order mark": b"\xef\xbb\xbf" + as_table(RECORDS, newline="\r\n"),
    "csv, blank lines": as_table(RECORDS).replace(b"\n", b"\n\n"),
    "csv, gzipped": gzip.compress(as_table(RECORDS)),
    "csv, semicolons": as_table(RECORDS, ";"),
    "tsv": as_table(RECORDS, "\t"),
    "parquet": as_parquet(RECORDS),
    "parquet, several row groups": as_parquet(RECORDS, row_group_size=2),
}


def records_of(path, problems=None):
    tables = list(parse(path, problems or Problems(), lambda size: None))
    rows = pa.concat_tables(tables).to_pylist() if tables else []
    text = lambda value: value.decode() if isinstance(value, bytes) else value  # noqa: E731
    return [(row["record"], text(row["processid"]), text(row["nucleotides"])) for row in rows]


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_every_format_gives_the_same_records(write, content):
    expected = [(number, *record) for number, record in enumerate(RECORDS, 1)]
    assert records_of(write("barcodes", content)) == expected


@pytest.mark.parametrize("packed", [False, True])
def test_fastq(write, packed):
    ascii_only = [record for record in RECORDS if record[0].isascii()]
    content = as_fastq(ascii_only)
    path = write("reads.fq", gzip.compress(content) if packed else content)
    assert [record[1:] for record in records_of(path)] == ascii_only


def test_a_quoted_field_may_hold_a_line_break(write):
    path = write("a.csv", 'processid,nucleotides\na,"ACG\nT"\nb,GG\n')
    assert records_of(path) == [(1, "a", "ACG\nT"), (2, "b", "GG")]


def test_a_stray_quote_in_a_tsv_is_a_letter(write):
    rows = [("a", "ACG", ""), ("b", "TTG", '"tag'), ("c", "GGG", 'x"y'), ("d", '"AAA"', '"z"')]
    content = "".join("\t".join(row) + "\n" for row in [("id", "sequence", "note"), *rows])
    expected = [(1, "a", "ACG"), (2, "b", "TTG"), (3, "c", "GGG"), (4, "d", "AAA")]
    assert records_of(write("a.tsv", content)) == expected


def test_progress_adds_up_to_the_size_of_the_file(write):
    for content in CONTENTS.values():
        path = write("barcodes", content)
        steps = []
        list(parse(path, Problems(), steps.append))
        assert sum(steps) == len(content)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1),
            st.text("ACGTN", min_size=1, max_size=30),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_csv_that_the_standard_library_writes_is_read(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("csv") / "barcodes.csv"
    path.write_bytes(as_table(records))
    assert [record[1:] for record in records_of(path)] == records


FAULTS = {
    "empty": (b"", "empty file"),
    "white space": (b" \n\n", "empty file"),
    "empty gzip": (gzip.compress(b""), "empty file"),
    "header alone": (b"processid,nucleotides\n", "empty file: it has columns"),
    "Parquet without rows": (
        as_parquet(RECORDS, rows=0),
        "empty file: it has columns",
    ),
    "no nucleotides": (b"processid,genus\na,b\n", "no nucleotide column: found processid, genus"),
    "plain text": (b"Dear colleague,\nhello\n", "no nucleotide column.*must begin with '>'"),
    "bare sequence": (b"ACGTACGT\n", "no nucleotide column: found ACGTACGT"),
    "damaged zip": (b"PK\x03\x04....", "truncated or damaged zip.*fetch"),
    "damaged xz": (b"\xfd7zXZ\x00...", "truncated or damaged xz.*fetch"),
    "UTF-16": (">a\nACGT\n".encode("utf-16"), "not a format that is read: UTF-16"),
    "UTF-16 without its mark": (">a\nACGT\n".encode("utf-16-le"), "not text: binary data"),
    "damaged Parquet": (as_parquet(RECORDS)[:-9], "damaged Parquet"),
    "Parquet without nucleotides": (
        as_parquet(RECORDS).replace(b"nucleotides", b"nucleotodes"),
        "no nucleotide column: found processid, nucleotodes",
    ),
    "truncated FASTA.gz": (gzip.compress(as_fasta(RECORDS))[:-9], "truncated or damaged gzip"),
    "truncated CSV.gz": (gzip.compress(as_table(RECORDS))[:-9], "truncated or damaged gzip"),
    "damaged gzip": (gzip.compress(as_fasta(RECORDS))[:-8] + b"12345678", "truncated or damaged"),
    "csv with line ends of old": (
        as_table(RECORDS, newline="\r"),
        r"its first line is no header.*tr '.r' '.n'",
    ),
    "an endless line": (b"ACGT" * 50_000, "its first line is no header.*make it FASTA"),
    "FASTQ with other letters": (as_fastq([("ç", "ACGT")]), "malformed file: after record 0"),
    "truncated FASTQ": (as_fastq(RECORDS[:2])[:-4], "malformed file: after record 1"),
}


@pytest.mark.parametrize(("content", "reason"), FAULTS.values(), ids=FAULTS)
def test_unreadable_files_are_named_with_the_reason(write, content, reason):
    path = write("barcodes", content)
    with pytest.raises(BarcodeMAEError, match=f"barcodes: (record .*)?{reason}"):
        records_of(path)
    problems = Problems(skip=True)
    records_of(path, problems)
    assert [entry.file for entry in problems.left_out] == [str(path)]


def test_rows_of_another_width_are_faults_of_their_record(write):
    path = write("a.csv", "processid,nucleotides\n\na,ACG\nb\nc,GG\nd,TT,TT\ne,CC\n")
    with pytest.raises(BarcodeMAEError, match=r"record 2 \(line 4\): malformed row: 1 field"):
        records_of(path)
    problems = Problems(skip=True)
    assert records_of(path, problems) == [(1, "a", "ACG"), (3, "c", "GG"), (5, "e", "CC")]
    assert [entry.record for entry in problems.left_out] == [2, 4]


def test_what_stands_before_a_gzip_breaks_off_is_kept(write):
    records = [(f"id{number}", f"ACGT{number:x}" * 30) for number in range(60_000)]
    path = write("long.fa.gz", gzip.compress(as_fasta(records, width=200), 1)[:-1000])
    problems = Problems(skip=True)
    kept = records_of(path, problems)
    assert 30_000 < len(kept) < len(records)
    assert [record[1:] for record in kept] == records[: len(kept)]
    assert problems.left_out[0].record is None
