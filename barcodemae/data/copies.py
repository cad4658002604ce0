"""Copies of a barcode joined to one record for each barcode and lineage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from barcodemae.data.names import open_names
from barcodemae.data.repeats import hash_values
from barcodemae.data.schemas import RANKS

COPIES, GROUP = "copies", "barcode_group"


class Joined:
    """What remains of a table of which identical barcodes with labels that agree are one record.

    Two copies agree where no rank has one name in the one and another in the other; what one lacks
    it takes from the other. An open name ("Pieris sp.") gives way to a species of its genus. The
    record that is kept is that with the most labels, the first of equals; it keeps its id and its
    split.

    Args:
        table: canonical columns.
        labels: columns that make up the lineage.

    Attributes:
        rows: (m,) the rows that are kept, in the order of the table.
        copies: (m,) how many records each stands for.
        group: (m,) a number for each barcode: equal in records of one barcode with labels that
            contradict each other.
        changed: row -> the labels of a kept record that took some over, by column.
    """

    def __init__(self, table: pa.Table, labels: Sequence[str]):
        self.labels = list(labels)
        hashes = _hashes(table)
        _, group, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        shared = np.flatnonzero(counts[group] > 1)
        self.changed: dict[int, dict[str, str | None]] = {}
        copies = np.ones(len(hashes), dtype=np.int64)
        copies[shared] = 0
        if len(shared):
            self._join(table, shared, group, copies)
        self.rows = np.flatnonzero(copies)
        self.copies = copies[self.rows]
        self.group = group[self.rows]

    @property
    def conflicts(self) -> int:
        """How many barcodes are kept several times."""
        return int((np.bincount(self.group, minlength=1) > 1).sum())

    def _join(
        self, table: pa.Table, shared: np.ndarray, group: np.ndarray, copies: np.ndarray
    ) -> None:
        frame = table.select(self.labels).take(pa.array(shared)).to_pandas()
        frame = frame.astype(object).where(frame.notna(), None)
        frame["_group"] = group[shared]
        keys = ["_group", *self.labels]
        number = frame.groupby(keys, dropna=False, sort=False).ngroup().to_numpy()
        _, first, count = np.unique(number, return_index=True, return_counts=True)
        distinct = frame.iloc[first]
        is_open = open_names(pa.array(distinct["species"], pa.string())) != ""
        filled = distinct[self.labels].notna().sum(axis=1).to_numpy() - is_open
        order = np.lexsort((shared[first], -filled, distinct["_group"].to_numpy()))
        values = distinct[self.labels].to_numpy(dtype=object)
        groups = distinct["_group"].to_numpy()
        kept: list[tuple[int, dict]] = []  # of one barcode: row, its labels so far
        last = -1
        for place in order.tolist():
            if groups[place] != last:
                kept, last = [], groups[place]
            own = dict(zip(self.labels, values[place], strict=True))
            row = int(shared[first[place]])
            for target, labels in kept:
                taken = _taken(labels, own)
                if taken is not None:
                    copies[target] += count[place]
                    if taken:
                        labels.update(taken)
                        self.changed[target] = labels
                    break
            else:
                copies[row] = count[place]
                kept.append((row, own))

    def columns_of(self, table: pa.Table, start: int, stop: int) -> pa.Table:
        """The kept records `start` to `stop` as a table, with `COPIES` and `GROUP`."""
        part = _relabelled(table, self.rows[start:stop], self.changed)
        part = part.append_column(COPIES, pa.array(self.copies[start:stop]))
        return part.append_column(GROUP, pa.array(self.group[start:stop]))


class Merged:
    """What remains of a table with one record for each barcode: the first, with the labels of all.

    A rank that one copy lacks it takes from another. Where two contradict each other there is no
    label, nor at the ranks below: which of the two is correct is not known.

    Args:
        table: canonical columns.
        labels: columns that make up the lineage, from the highest rank to the lowest.

    Attributes:
        rows: (m,) the rows that are kept, in the order of the table.
        changed: row -> the labels of a kept record that are not its own alone, by column.
        conflicts: how many barcodes have labels that contradict each other.
    """

    def __init__(self, table: pa.Table, labels: Sequence[str]):
        _, first, group, counts = np.unique(
            _hashes(table), return_index=True, return_inverse=True, return_counts=True
        )
        self.rows = np.sort(first)
        self.changed: dict[int, dict[str, str | None]] = {}
        self.conflicts = 0
        shared = np.flatnonzero(counts[group] > 1)
        frame = table.select(labels).take(pa.array(shared)).to_pandas()
        frame = frame.astype(object).where(frame.notna(), None)
        frame["_group"] = group[shared]
        distinct = frame.drop_duplicates()
        several = distinct[distinct["_group"].duplicated(keep=False)]
        for number, members in several.groupby("_group", sort=False):
            merged, agree = _merged(members[list(labels)].to_dict("list"))
            self.changed[int(first[number])] = merged
            self.conflicts += not agree

    def columns_of(self, table: pa.Table, start: int, stop: int) -> pa.Table:
        """The kept records `start` to `stop` as a table."""
        return _relabelled(table, self.rows[start:stop], self.changed)


def _hashes(table: pa.Table) -> np.ndarray:
    """(n,) uint64 of the barcodes of a table."""
    chunks = [hash_values(chunk) for chunk in table["nucleotides"].chunks]
    return np.concatenate(chunks or [np.empty(0, np.uint64)])


def _relabelled(table: pa.Table, rows: np.ndarray, changed: dict[int, dict]) -> pa.Table:
    """Some rows of a table, in some of them other labels."""
    part = table.take(pa.array(rows))
    at = {int(row): place for place, row in enumerate(rows) if int(row) in changed}
    for name in next((changed[row] for row in at), ()):
        values = part[name].to_pylist()
        for row, place in at.items():
            values[place] = changed[row][name]
        index = part.column_names.index(name)
        part = part.set_column(index, name, pa.array(values, pa.string()))
    return part


def _merged(members: dict[str, list[str | None]]) -> tuple[dict[str, str | None], bool]:
    """What labels of copies have in common, by rank, and whether none contradicts another."""
    merged: dict[str, str | None] = {}
    agree = all_agree = True
    for rank, names in members.items():
        known = {name for name in names if name is not None}
        if rank == "species":  # an open name gives way to a species
            known = {name for name in known if not _is_open(name)} or known
        agrees = len(known) <= 1
        all_agree = all_agree and agrees
        if rank in RANKS:  # the others, such as the BIN, do not lie below a rank
            agree = agrees = agree and agrees
        merged[rank] = next(iter(known), None) if agrees else None
    return merged, all_agree


def _taken(labels: dict, other: dict) -> dict[str, str] | None:
    """What `other` has more than `labels`; None where the two contradict each other."""
    taken = {}
    for rank, theirs in other.items():
        mine = labels[rank]
        if theirs is None or mine == theirs:
            continue
        if mine is None:
            taken[rank] = theirs
        elif rank != "species" or not _is_open(theirs) or _is_open(mine):
            return None
    return taken


def _is_open(name: str) -> bool:
    return open_names(pa.array([name]))[0] != ""


def count_open_names(species: pa.ChunkedArray) -> dict[str, int]:
    """How many of some species, null or not, are open names, by their mark."""
    found = [mark for mark in open_names(species) if mark]
    return dict(pd.Series(found, dtype=object).value_counts()) if found else {}
