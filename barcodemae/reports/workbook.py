"""Answers as an Excel workbook: a sheet of verdicts, one of the nearest references, the library."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from pathlib import Path

import pandas as pd

from barcodemae.cells import one_line, safe_cell
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.answers import KNOWN, NEW, NEW_GENUS, NO_CALL, NOT_COI, Answers
from barcodemae.reports.summary import sentence

MOST_ROWS = 1_048_575  # of a sheet, beside its header
# Told apart by the colour-blind, too; the verdict stands in words in any case.
FILLS = {KNOWN: "C6E5D9", NEW: "FBE0B8", NEW_GENUS: "F6C9DC", NO_CALL: "E3E3E3", NOT_COI: "C9C9C9"}
_WIDTHS = {"id": 24, "verdict": 24, "species": 28, "nearest_species": 28, "flags": 40}
_WIDTHS |= {"what": 40, "value": 60}  # of the sheet about the library
_NEAREST_ROWS = 200_000  # more make a file that spreadsheets open slowly


def write_answers(answers: Answers, path: Path) -> None:
    """Write sheets `answers`, `nearest` and `library`; as `write_table`."""
    book = _book()
    _add_sheet(book, "answers", answers.table)
    nearest = answers.neighbours.drop(columns="barcode")
    if len(nearest) <= _NEAREST_ROWS:
        _add_sheet(book, "nearest", nearest)
    about = {"answers": sentence(answers.table), **flat(answers.library)}
    _add_sheet(book, "library", pd.DataFrame({"what": about.keys(), "value": about.values()}))
    book.save(path)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write one sheet.

    Raises:
        BarcodeMAEError: there are more rows than a sheet can hold.
    """
    book = _book()
    _add_sheet(book, "answers", table)
    book.save(path)


def flat(card: dict, above: str = "") -> dict[str, object]:
    """A nested card as names (joined by dots) and plain values; its curves and bins left out."""
    found: dict[str, object] = {}
    for name, value in card.items():
        if isinstance(value, dict):
            found |= flat(value, f"{above}{name}.")
        elif not isinstance(value, list) or all(isinstance(each, str) for each in value):
            found[f"{above}{name}"] = ", ".join(value) if isinstance(value, list) else value
    return found


def _book():
    from openpyxl import Workbook

    return Workbook(write_only=True)  # rows are not held in memory


def _add_sheet(book, title: str, table: pd.DataFrame) -> None:
    from openpyxl.utils import get_column_letter

    if len(table) > MOST_ROWS:
        raise BarcodeMAEError(
            f"an Excel sheet holds {MOST_ROWS:,} rows, not {len(table):,}; write .tsv or .parquet"
        )
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "B2"
    last = get_column_letter(len(table.columns))
    sheet.auto_filter.ref = f"A1:{last}{len(table) + 1}"
    for number, name in enumerate(table.columns, 1):
        width = _WIDTHS.get(name, max(12, len(str(name)) + 4))
        sheet.column_dimensions[get_column_letter(number)].width = width
    for row in _rows(sheet, table):
        sheet.append(row)


def _rows(sheet, table: pd.DataFrame) -> Iterable[list]:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font, PatternFill

    fills = {verdict: PatternFill("solid", fgColor=colour) for verdict, colour in FILLS.items()}
    header = [WriteOnlyCell(sheet, str(name)) for name in table.columns]
    for cell in header:
        cell.font = Font(bold=True)
    yield header
    verdict = list(table.columns).index("verdict") if "verdict" in table else None
    for values in table.itertuples(index=False, name=None):
        row = [_cell(sheet, value) for value in values]
        if verdict is not None and values[verdict] in fills:
            row[verdict] = WriteOnlyCell(sheet, values[verdict])
            row[verdict].fill = fills[values[verdict]]
        yield row


def _cell(sheet, value: object) -> object:
    """A value as a workbook holds it: texts stay texts and ids are not changed."""
    from openpyxl.cell import WriteOnlyCell

    if value is None or value is pd.NA or value != value:
        return None
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return round(float(value), 4)
    text = one_line(str(value))  # control characters cannot stand in a workbook
    if safe_cell(text) == text:
        return text
    cell = WriteOnlyCell(sheet, text)
    # Marked as text in words, so that editing it does not make it a formula either.
    cell.data_type, cell.quotePrefix = "s", True
    return cell
