import gzip
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barcodemae.data.line_numbers import line_of
from barcodemae.data.problems import LeftOut, describe
from barcodemae.data.read_report import ReadReport


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress])
@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (">a\nACGT\nACGT\n>b\nAC\n>c\nAC\n", [1, 4, 6]),
        ("\n# comment\n>a\nACGT\n>b\nAC\n", [3, 5]),
        ("@a\nAC\n+\nII\n@b\nAC\n+\nII\n", [1, 5]),
        ('id,sequence\na,AC\n\nb,"A\nC"\nc,AC\n', [2, 4, 6]),
        ("\nid\tsequence\na\tAC\nb\tAC\n", [3, 4]),
    ],
)
def test_line_of_a_record(write, pack, content, lines):
    path = write("barcodes", pack(content.encode()))
    assert [line_of(path, record) for record in range(1, len(lines) + 1)] == lines


@given(st.lists(st.integers(1, 4), min_size=1, max_size=10), st.data())
def test_line_of_a_fasta_record_of_any_length(tmp_path_factory, lengths, data):
    path = tmp_path_factory.mktemp("fasta") / "barcodes.fa"
    path.write_text("".join(">x\n" + "ACGT\n" * length for length in lengths))
    record = data.draw(st.integers(1, len(lengths)))
    assert line_of(path, record) == 1 + sum(lengths[: record - 1]) + record - 1


def test_no_line_is_better_than_a_wrong_one(write, tmp_path):
    assert line_of(write("a.parquet", b"PAR1...PAR1"), 1) is None
    assert line_of(write("a.fa", ">a\nACGT\n"), 2) is None
    assert line_of(tmp_path / "absent", 1) is None


def test_description_says_what_is_known(write):
    path = write("a.fa", ">a\nACGT\n>b\n")
    assert (
        describe(path, 2, "b", "no sequence") == f"{path}: record 2 (id 'b', line 3): no sequence"
    )
    assert describe("org/name", 2, None, "no sequence") == "org/name: record 2: no sequence"
    assert describe(path, None, None, "empty file") == f"{path}: empty file"


def test_log_counts_the_reasons(caplog, tmp_path):
    left_out = [LeftOut("a.fa", n, None, f"not DNA: letter {n}") for n in (4, 5)]
    left_out.append(LeftOut("b.fa", None, None, "truncated: x"))
    with caplog.at_level(logging.WARNING):
        ReadReport(10, 8, 0, left_out).log(tmp_path / "report.json")
    assert "left out 3 of 10 records" in caplog.text and "report.json" in caplog.text
    assert "2: not DNA (first: a.fa, record 4)" in caplog.text
    assert "1: truncated (first: b.fa)" in caplog.text


def test_log_is_silent_where_nothing_was_left_out(caplog, tmp_path):
    ReadReport(10, 10).log(tmp_path)
    assert not caplog.records
