"""Answers as files, in the format that the file's ending names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from barcodemae.cells import delimited_writer
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.answers import Answers
from barcodemae.outputs import check_output, is_stream, whole_file, whole_tsv
from barcodemae.reports import community, workbook
from barcodemae.reports.nearest_references import neighbours_of

DIGITS = 4  # of probabilities and similarities


def check(path: Path, inputs: Iterable[str | Path] = ()) -> None:
    """Raise BarcodeMAEError unless answers can be written to `path`, before any work.

    `inputs` are what the work reads; none of them may be `path`.
    """
    _writer(path, _OF_ANSWERS)
    check_output(path, inputs)


def write(answers: Answers, path: Path) -> None:
    """Write `answers` to `path`, whole or not at all; `-` writes TSV to standard output.

    Raises:
        BarcodeMAEError: the ending is unknown, `path` cannot be written, or the format cannot hold
            so many answers.
    """
    check(path)
    with whole_file(path) as temporary:
        _writer(path, _OF_ANSWERS)(answers, temporary)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write any table; as `write`, without the formats that only answers fill."""
    writer = _writer(path, _OF_TABLES)
    check_output(path)
    with whole_file(path) as temporary:
        writer(table, temporary)


def check_table(path: Path, inputs: Iterable[str | Path] = ()) -> None:
    """As `check`, for what `write_table` and `table_of_rows` write."""
    _writer(path, _OF_TABLES)
    check_output(path, inputs)


@contextmanager
def table_of_rows(
    path: Path, columns: Sequence[str], numbers: Sequence[str] = ()
) -> Iterator[Callable[[Iterable[Sequence]], None]]:
    """Give a function that adds rows to a table; as `write_table`.

    Rows of a TSV are written as they come. `numbers` are the columns whose texts are numbers, for
    formats that know these.
    """
    if _writer(path, _OF_TABLES) is _tsv:
        with whole_tsv(path, columns) as add:
            yield add
        return
    rows: list[Sequence] = []
    yield rows.extend
    table = pd.DataFrame(rows, columns=list(columns))
    write_table(table.assign(**{name: pd.to_numeric(table[name]) for name in numbers}), path)


def _writer(path: Path, writers: dict[str, Callable]) -> Callable:
    for ending, writer in writers.items():
        if path.name.lower().endswith(ending):
            return writer
    if not path.suffix and is_stream(path):
        return writers[".tsv"]
    raise BarcodeMAEError(
        f"{path}: the ending names the format, and this one is unknown; give "
        f"{', '.join(writers)}, or - for TSV on standard output"
    )


def _tsv(table: pd.DataFrame, path: Path) -> None:
    _delimited(table, path, "\t")


def _csv(table: pd.DataFrame, path: Path) -> None:
    _delimited(table, path, ",")


def _delimited(table: pd.DataFrame, path: Path, delimiter: str) -> None:
    table = _rounded(table)
    with path.open("w", encoding="utf-8", newline="") as file:
        add = delimited_writer(file, list(table.columns), delimiter)
        add(zip(*(_without_missing(table[name]) for name in table.columns), strict=True))


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    """Floats as decimals of `DIGITS`: what was computed in 32 bits has no more to tell."""
    floats = table.select_dtypes("floating").columns
    return table.assign(**{name: table[name].astype(float).round(DIGITS) for name in floats})


def _without_missing(column: pd.Series) -> list:
    return column.astype(object).where(column.notna(), None).tolist()


def _parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path, index=False)


def _json_lines(table: pd.DataFrame, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for record in _records(table):
            file.write(json.dumps(record, allow_nan=False) + "\n")


def _answers_as_json_lines(answers: Answers, path: Path) -> None:
    """A line for each query: its row, and its nearest references in `nearest`."""
    nearest = _records(answers.neighbours.drop(columns=["id", "barcode"]))
    with path.open("w", encoding="utf-8") as file:
        for record, rows in zip(_records(answers.table), neighbours_of(answers), strict=True):
            record["nearest"] = nearest[rows]
            file.write(json.dumps(record, allow_nan=False) + "\n")


def _records(table: pd.DataFrame) -> list[dict]:
    columns = [_without_missing(_rounded(table)[name]) for name in table.columns]
    return [dict(zip(table.columns, row, strict=True)) for row in zip(*columns, strict=True)]


_OF_TABLES = {
    ".tsv": _tsv,
    ".csv": _csv,
    ".xlsx": workbook.write_table,
    ".parquet": _parquet,
    ".jsonl": _json_lines,
}


def _table_of(write: Callable[[pd.DataFrame, Path], None]) -> Callable[[Answers, Path], None]:
    return lambda answers, path: write(answers.table, path)


# Longer endings first: .qiime2.tsv is not just any .tsv.
_OF_ANSWERS: dict[str, Callable[[Answers, Path], None]] = {
    ".qiime2.tsv": lambda answers, path: _tsv(community.qiime2(answers), path),
    ".phyloseq.tsv": lambda answers, path: _tsv(community.phyloseq(answers), path),
    ".dwc.csv": lambda answers, path: _csv(community.darwin_core(answers), path),
    **{ending: _table_of(writer) for ending, writer in _OF_TABLES.items()},
    ".xlsx": workbook.write_answers,
    ".jsonl": _answers_as_json_lines,
}
ENDINGS = tuple(_OF_ANSWERS)
