"""Workbooks as sources of barcodes."""

import pytest
from openpyxl import Workbook

from barcodemae.data.references import read_references
from barcodemae.errors import BarcodeMAEError


@pytest.fixture
def workbook(tmp_path):
    """Write a workbook of these rows, with a second sheet that is not meant."""

    def workbook(*rows):
        book = Workbook()
        for row in rows:
            book.active.append(row)
        book.create_sheet("notes").append(["id", "nucleotides"])
        book.save(tmp_path / "references.xlsx")
        return tmp_path / "references.xlsx"

    return workbook


HEAD = ["Sample ID", "genus", "species", "nucleotides", None]


def test_the_first_sheet_of_a_workbook_is_read(workbook, tmp_path):
    rows = [[7, "Aus", 'Aus, "unus"', "ACGT"], [], ["é", None, None, "ACC", None], [7, "", "", "G"]]
    path = workbook([], HEAD, *rows)
    found = read_references(path, cache_dir=tmp_path / "cache", progress=False)
    assert found.ids == ["7", "é", "7:3"] and found.barcodes == ["ACGT", "ACC", "G"]
    assert found.lineages["species"].tolist() == ['Aus, "unus"', "", ""]


def test_a_fault_is_named_by_its_row(workbook, read):
    path = workbook(HEAD, ["a", "Aus", "", "ACGT"], [], ["b", "Aus", "", None])
    with pytest.raises(
        BarcodeMAEError, match=r"references.xlsx: record 2 \(id 'b', line 4\): no se"
    ):
        read(path)


def test_a_workbook_without_barcodes_is_told_what_it_lacks(workbook, read):
    with pytest.raises(BarcodeMAEError, match="no nucleotide column: found id, genus"):
        read(workbook(["id", "genus"], ["a", "Aus"]))
