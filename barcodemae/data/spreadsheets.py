"""Workbooks (.xlsx): their first sheet as rows of values, or as CSV."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, BinaryIO, cast

from barcodemae.data.packed import Unreadable


def first_sheet(file: BinaryIO | IO[bytes]) -> Iterator[tuple]:
    """Rows of the first sheet, blank ones too, so that their numbers are those of the sheet; empty
    cells are None, and formulas are their values. Rows are as long as the first that is not blank.

    Raises:
        Unreadable: it is no workbook.
    """
    from openpyxl import load_workbook

    width = 0
    try:
        sheet = load_workbook(file, read_only=True, data_only=True).worksheets[0]
        sheet.reset_dimensions()  # not every program states them rightly
        for row in sheet.iter_rows(values_only=True):
            last = max(
                (at for at, value in enumerate(row, 1) if value not in (None, "")), default=0
            )
            width = width or last
            yield (*row[:last], *[None] * (width - last)) if last else ()
    except Exception as error:
        # openpyxl raises whatever comes of a workbook that is none.
        raise Unreadable(
            f"no workbook that can be read ({type(error).__name__}); save the sheet as CSV and "
            "give that"
        ) from error


def write_csv(rows: Iterable[tuple], sink: IO[bytes]) -> None:
    """Write rows of values, a line each; nothing between delimiters for None."""
    text = io.TextIOWrapper(cast(BinaryIO, sink), encoding="utf-8", newline="", write_through=True)
    csv.writer(text, lineterminator="\n").writerows(rows)
    text.detach()


def as_csv(file: BinaryIO | IO[bytes]) -> IO[bytes]:
    """The first sheet as CSV, in a file of its own that lives as long as it is open."""
    sheet = tempfile.TemporaryFile()  # noqa: SIM115
    write_csv(first_sheet(file), sheet)
    sheet.seek(0)
    return sheet
