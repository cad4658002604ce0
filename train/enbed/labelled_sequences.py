"""Labelled sequences: a table, or FASTA beside a table of labels."""

from __future__ import annotations

from pathlib import Path

import dnaio
import pandas as pd

from barcodemae.errors import BarcodeMAEError

_LETTERS = "ACGTUNRYKMSWBDHVI"


def read_table(files: list[str], label: str, labels: str = "") -> pd.DataFrame:
    """Sequences and their labels, all columns kept.

    Args:
        files: CSV, TSV or Parquet with the columns `nucleotides` and `label`; or FASTA.
        label: the column with the labels.
        labels: of FASTA: the table whose first column is the record's id.

    Raises:
        BarcodeMAEError: a file or column is missing, a record has no label, or is no DNA.
    """
    tables = [_checked(_read(Path(file), label, labels), file, label) for file in files]
    return pd.concat(tables, ignore_index=True)


def _checked(table: pd.DataFrame, file: str, label: str) -> pd.DataFrame:
    for column in ("nucleotides", label):
        if column not in table:
            raise BarcodeMAEError(
                f"{file}: there is no column {column!r}; there are {', '.join(table.columns)}"
            )
    table = table.reset_index(drop=True)
    unlabelled = table.index[table[label].isna()]
    if len(unlabelled):
        raise BarcodeMAEError(f"{file}: record {unlabelled[0] + 1} has no {label}; leave it out")
    letters = table["nucleotides"].fillna("").astype(str).str.upper()
    table["nucleotides"] = letters.str.replace(r"\s", "", regex=True)
    faulty = table.index[~table["nucleotides"].str.fullmatch(f"[{_LETTERS}]+")]
    if len(faulty):
        raise BarcodeMAEError(f"{file}: record {faulty[0] + 1}: empty, or not DNA; leave it out")
    return table


def _read(path: Path, label: str, labels: str, texts: dict | None = None) -> pd.DataFrame:
    if not path.is_file():
        raise BarcodeMAEError(f"{path}: there is no such file")
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix in (".csv", ".tsv"):
        # "NA" may be a gene's name, and "007" an id: an empty cell alone is missing.
        mark = "," if path.suffix == ".csv" else "\t"
        return pd.read_csv(path, sep=mark, keep_default_na=False, na_values=[""], converters=texts)
    if not labels:
        raise BarcodeMAEError(f"{path}: FASTA holds no labels; give --labels TABLE")
    named = _read(Path(labels), label, "", texts={0: str})
    if label not in named:
        raise BarcodeMAEError(
            f"{labels}: there is no column {label!r}; there are {', '.join(named.columns)}"
        )
    named = named.assign(**{named.columns[0]: named.iloc[:, 0].astype(str)}).drop_duplicates()
    by_id = named.set_index(named.columns[0])[label]
    if by_id.index.has_duplicates:
        twice = by_id.index[by_id.index.duplicated()][0]
        raise BarcodeMAEError(f"{labels}: {twice} has two {label}s; leave one of them")
    with dnaio.open(path) as records:
        rows = [(record.id, record.sequence) for record in records]
    table = pd.DataFrame(rows, columns=["id", "nucleotides"])
    return table.assign(**{label: table["id"].map(by_id)})
