"""A fault in a table costs the record that has it, and no other."""

import csv
import io
import random

import pytest

from barcodemae.data import read_report
from barcodemae.errors import BarcodeMAEError

COLUMNS = ("id", "genus", "nucleotides", "country", "note")


def rows_of(count):
    draw = random.Random(0)
    barcodes = ["".join(draw.choices("ACGT", k=40)) for _ in range(count)]
    return [[f"ID{n}", "Aus", barcodes[n], "Peru", "near, a river"] for n in range(count)]


def as_csv(rows, header=COLUMNS, newline="\n"):
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=newline)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize("row", [0, 3, 499])
@pytest.mark.parametrize("column", range(5))
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_stray_quote_is_refused_and_costs_one_record(read, write, column, row, newline):
    rows = rows_of(500)
    rows[row][column] = "QUOTE" + rows[row][column].replace(",", "")
    path = write("a.csv", as_csv(rows, newline=newline).replace("QUOTE", '"'))
    with pytest.raises(BarcodeMAEError, match=rf"record {row + 1} \(line {row + 2}\): a quote"):
        read(path)
    barcodes = read(path, on_error="skip")
    assert barcodes["processid"][:] == [r[0] for n, r in enumerate(rows) if n != row]
    assert [entry.record for entry in read_report(barcodes).left_out] == [row + 1]


def test_two_stray_quotes_do_not_close_each_other(read, write):
    rows = rows_of(50)
    rows[3][3], rows[30][3] = "QUOTEx", "QUOTEy"
    barcodes = read(write("a.csv", as_csv(rows).replace("QUOTE", '"')), on_error="skip")
    assert len(barcodes) == 48
    assert [entry.record for entry in read_report(barcodes).left_out] == [4, 31]


def test_line_breaks_in_a_note_are_read_and_in_a_taxon_refused(read, write):
    rows = rows_of(20)
    rows[4][4] = 'by night,\nin "rain"\n\nand wind'
    assert len(read(write("a.csv", as_csv(rows)))) == 20
    rows[6][1] = "Aus\nBus"
    with pytest.raises(BarcodeMAEError, match=r"record 7 \(line 11\): a line break stands inside"):
        read(write("a.csv", as_csv(rows)))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_spreadsheets_of_europe(read, write, newline):
    lines = ["sep=;", "id;nucleotides;genus", "a;ACGT;Aus", ";;", "b;ACC;", ";;", ""]
    barcodes = read(write("a.csv", newline.join(lines)))
    assert barcodes["processid"][:] == ["a", "b"]
    with pytest.raises(BarcodeMAEError, match=r"record 3 \(id 'c', line 7\): no sequence"):
        read(write("a.csv", newline.join([*lines[:-1], "c;;x", ""])))


def test_a_ragged_row_of_another_encoding_costs_one_record(read, write):
    content = "id,nucleotides\na,ACGT\n\xc6,G,T\nb,ACC\n\xc6,GG\n".encode("latin-1")
    barcodes = read(write("a.csv", content), on_error="skip")
    assert barcodes["processid"][:] == ["a", "b"]
    reasons = {e.record: e.reason.split(":")[0] for e in read_report(barcodes).left_out}
    assert reasons == {2: "malformed row", 4: "not UTF-8"}


def test_a_field_of_megabytes_costs_one_record(read, write):
    content = f"id,nucleotides,note\na,ACGT,x\nb,AC,{'y' * 12_000_000}\nc,ACC,z\n"
    path = write("a.csv", content)
    barcodes = read(path, on_error="skip")
    assert barcodes["processid"][:] == ["a", "c"]
    assert read_report(barcodes).left_out[0].record == 2
    with pytest.raises(BarcodeMAEError, match=r"record 2 .*no barcode is so long"):
        read(path)


def test_a_repeated_column_is_refused(read, write):
    path = write("a.csv", "id,genus,genus,nucleotides\na,Aus,Bus,ACGT\n")
    with pytest.raises(BarcodeMAEError, match="two columns are called 'genus': rename"):
        read(path)


def test_repeated_byte_order_marks_do_not_hide_the_ids(read, write):
    path = write("a.csv", b"\xef\xbb\xbf\xef\xbb\xbfid,nucleotides\na,ACGT\n")
    assert read(path)["processid"][:] == ["a"]
