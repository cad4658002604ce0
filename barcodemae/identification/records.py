"""The records of a library: barcodes on the grid with their labels, merged, in Parquet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from barcodemae.identification.answers import RANKS

if TYPE_CHECKING:
    from barcodemae.data.references import References

LEAST_SITES = 100  # of a reference on the grid
UNLABELLED = "without any label"
_COLUMNS = ("id", *RANKS, "dna_bin", "open_name", "copies")


@dataclass
class Records:
    """Labelled barcodes on the grid, one for each barcode and lineage; n of them.

    Attributes:
        table: n rows of `_COLUMNS`; "" where a label is missing. `open_name` is the mark of a
            species such as "Pieris sp."; `copies` counts the records that were merged.
        codes: (n, sites) uint8.
        left_out: why references were left out -> how many.
        conflicts: barcodes that several species share.
    """

    table: pd.DataFrame
    codes: np.ndarray
    left_out: Counter = field(default_factory=Counter)
    conflicts: int = 0


def merge(references: References, codes: np.ndarray, placed: np.ndarray) -> Records:
    """Records, in the order of their barcodes, from references laid on the grid.

    Args:
        references: n of them.
        codes: (n, sites).
        placed: (n,) whether each fits.
    """
    table = references.lineages.reindex(columns=[*RANKS, "dna_bin"], fill_value="").copy()
    table.insert(0, "id", references.ids)
    table["open_name"] = references.open_names
    table["copies"] = references.copies
    left_out: Counter = Counter()
    unlabelled = (table[list(RANKS)] == "").all(axis=1).to_numpy()
    short = placed & ((codes < 4).sum(axis=1) < LEAST_SITES)
    for reason, rows in (
        ("not on the COI grid", ~placed),
        (f"fewer than {LEAST_SITES} sites", short),
        (UNLABELLED, placed & ~short & unlabelled),
    ):
        if rows.any():
            left_out[reason] = int(rows.sum())
    kept = np.flatnonzero(placed & ~short & ~unlabelled)
    table, codes = table.iloc[kept].reset_index(drop=True), codes[kept]
    groups = _equal_barcodes(codes)
    merged = _merged(table, groups)
    if len(merged) < len(table):
        left_out["merged with an equal barcode"] = len(table) - len(merged)
    # Not by their order in the files: what is drawn for the calibration follows from the place.
    keys = table.loc[merged, list(RANKS)].assign(group=groups[merged])
    merged = keys.sort_values(["group", *RANKS]).index.to_numpy()
    table, codes = table.loc[merged].reset_index(drop=True), codes[merged]
    return Records(table, codes, left_out, of_several_species(codes, table["species"].to_numpy()))


def of_several_species(barcodes: np.ndarray, species: np.ndarray) -> int:
    """How many barcodes (n, ...), codes or bits, stand under several species (n,), "" missing."""
    known = species != ""
    named = pd.DataFrame({"group": _equal_barcodes(barcodes[known]), "species": species[known]})
    return int((named.groupby("group")["species"].nunique() > 1).sum())


def _equal_barcodes(barcodes: np.ndarray) -> np.ndarray:
    """(n,) a number for each distinct barcode (n, ...)."""
    if not len(barcodes):
        return np.zeros(0, dtype=np.int64)
    rows = np.ascontiguousarray(barcodes).reshape(len(barcodes), -1)
    return np.unique(rows.view(f"V{rows.nbytes // len(rows)}").ravel(), return_inverse=True)[1]


def _merged(table: pd.DataFrame, groups: np.ndarray) -> np.ndarray:
    """Rows that stay: of equal barcodes those whose labels no other record repeats or extends.

    The copies of the others are added to the record that stays (in place).
    """
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    labels = table[list(RANKS)].to_numpy(dtype=object)
    copies = table["copies"].to_numpy().copy()
    stays = np.ones(len(table), dtype=bool)
    for rows in np.split(order, starts[1:]):
        if len(rows) == 1:
            continue
        fullest_first = sorted(rows, key=lambda row: -(labels[row] != "").sum())
        for place, row in enumerate(fullest_first):
            for fuller in fullest_first[:place]:
                known = labels[row] != ""
                if stays[fuller] and (labels[row][known] == labels[fuller][known]).all():
                    stays[row] = False
                    copies[fuller] += copies[row]
                    break
    table["copies"] = copies
    return np.flatnonzero(stays)


def write(table: pd.DataFrame, path: Path) -> None:
    """Write the table with its labels as dictionaries, which open without a look at each row."""
    columns = {}
    for name in _COLUMNS:
        column = pa.array(table[name])
        columns[name] = column if name in ("id", "copies") else column.dictionary_encode()
    pq.write_table(pa.table(columns), path, compression="zstd")


def read(paths: list[Path]) -> pa.Table:
    """The tables of all parts as one, labels as dictionaries that all rows share.

    Raises:
        OSError, pyarrow.ArrowInvalid: a file is absent or damaged.
    """
    parts = [pq.read_table(path) for path in paths]
    return pa.concat_tables(parts).unify_dictionaries().combine_chunks()
