"""Taxonomy files: an id and its lineage in each row, beside a FASTA file (QIIME 2, mothur, DADA2).

The lineage stands in one column (`Feature ID`, `Taxon`; or two columns without a header, as mothur
and QIIME 1 have them) or in one column for each rank.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from barcodemae.data.lineage_text import is_lineage, lineage_of
from barcodemae.data.packed import DAMAGED, PACKING_ERRORS, Unreadable, opened, packing_of
from barcodemae.data.parsers import content
from barcodemae.data.repeats import hash_values
from barcodemae.data.rows import Header, RowReader, read_header
from barcodemae.data.schemas import RANKS, RepeatedColumn, match_columns
from barcodemae.errors import BarcodeMAEError

_LINEAGE = ("taxon", "taxonomy", "lineage", "classification", "taxonomic lineage", "taxonstring")
_LABELS = (*RANKS, "dna_bin")


@dataclass
class Taxonomy:
    """Labels by id.

    Attributes:
        hashes: (n,) sorted hashes of the ids, uint64.
        columns: for each rank and for `dna_bin` (n,) names, null where there is none.
    """

    hashes: np.ndarray
    columns: dict[str, pa.Array]

    @classmethod
    def read(cls, paths: Sequence[Path]) -> Taxonomy:
        """All files together.

        Raises:
            BarcodeMAEError: one is no taxonomy file, or an id has two lineages.
        """
        ids, rows = [], []
        for path in paths:
            for id, labels in _rows(path):
                ids.append(id)
                rows.append(tuple(labels.get(column) for column in _LABELS))
        hashes = hash_values(pa.array(ids, pa.string()))
        order = np.argsort(hashes, kind="stable")
        again = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
        for one, other in zip(order[again].tolist(), order[again + 1].tolist(), strict=True):
            if rows[one] != rows[other]:
                raise BarcodeMAEError(
                    f"{', '.join(map(str, paths))}: the id {ids[one]!r} has two lineages; take one "
                    "of them out"
                )
        columns = zip(*(rows[row] for row in order), strict=True) if rows else [()] * len(_LABELS)
        arrays = (pa.array(column, pa.string()) for column in columns)
        return cls(hashes[order], dict(zip(_LABELS, arrays, strict=True)))

    def labels(self, id_hashes: np.ndarray) -> tuple[np.ndarray, dict[str, pa.Array]]:
        """Which of some ids (n,) are there, booleans; and their labels, null for the others."""
        at = np.searchsorted(self.hashes, id_hashes)
        found = np.zeros(len(at), dtype=bool)
        inside = at < len(self.hashes)
        found[inside] = self.hashes[at[inside]] == id_hashes[inside]
        places = pa.array(np.where(found, at, 0), mask=~found)
        return found, {name: column.take(places) for name, column in self.columns.items()}


_DAMAGED: tuple[type[Exception], ...] = (csv.Error, *PACKING_ERRORS)
_UNREADABLE: tuple[type[Exception], ...] = (OSError, Unreadable, *PACKING_ERRORS)


def is_taxonomy_file(path: Path) -> bool:
    """Whether a file holds ids and lineages and no barcodes."""
    try:
        with opened(path) as raw:
            kind, stream = content(raw)
            return kind == "table" and _layout(read_header(stream)) is not None
    except _UNREADABLE:
        return False


@dataclass(frozen=True)
class _Layout:
    """Places of the id and of the labels; `lineage` is None where each rank has a column."""

    id: int
    lineage: int | None
    ranks: dict[str, int]
    has_header: bool


def _layout(header: Header) -> _Layout | None:
    """Where things stand in a taxonomy file; None: it is none."""
    names = header.names
    if 2 <= len(names) <= 3 and is_lineage(names[1]) and not is_lineage(names[0]):
        return _Layout(0, 1, {}, has_header=False)
    try:
        columns = match_columns(names, _LINEAGE)
    except RepeatedColumn:
        return None
    lineage = next((columns[name] for name in _LINEAGE if name in columns), None)
    ranks = {rank: columns[rank] for rank in _LABELS if rank in columns}
    if "nucleotides" in columns or "processid" not in columns or not (ranks or lineage is not None):
        return None
    return _Layout(columns["processid"], None if ranks else lineage, ranks, has_header=True)


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Ids and labels of a taxonomy file."""
    try:
        with opened(path) as raw:
            head = raw.peek(6)[:6]
            kind, stream = content(raw)
            header = read_header(stream) if kind == "table" else None
            layout = _layout(header) if header else None
            if header is None or layout is None:
                raise BarcodeMAEError(
                    f"{path}: no taxonomy file: give a table with the columns `Feature ID` and "
                    "`Taxon`, or with an id and a column for each rank"
                )
            if layout.lineage is not None and not layout.has_header:
                yield header.names[layout.id].strip(), lineage_of(header.names[layout.lineage])
            yield from _below(stream, header, layout, path)
    except Unreadable as error:
        raise BarcodeMAEError(f"{path}: {error}") from None
    except _DAMAGED as error:
        raise BarcodeMAEError(f"{path}: {DAMAGED.format(packing_of(head), error)}") from None


def _below(stream, header: Header, layout: _Layout, path: Path) -> Iterator[tuple[str, dict]]:
    places = [layout.id, *([layout.lineage] if layout.lineage is not None else [])]
    places += layout.ranks.values()
    reader = RowReader(header.delimiter, len(header.names), places, 0, header.line + 1)
    for block in reader.blocks(stream):
        for line, reason in block.faults:
            raise BarcodeMAEError(f"{path}: line {line}: {reason}")
        try:
            columns = [column.cast(pa.string()).to_pylist() for column in block.columns]
        except pa.ArrowInvalid:
            raise BarcodeMAEError(
                f"{path}: not UTF-8; convert the file, for example with `iconv -f latin1 -t utf-8`"
            ) from None
        for id, *values in zip(*columns, strict=True):
            if layout.lineage is not None:
                yield id.strip(), lineage_of(values[0])
            else:
                yield id.strip(), dict(zip(layout.ranks, values, strict=True))


def fill(table: pa.Table, taxonomy: Taxonomy) -> tuple[pa.Table, int]:
    """`table` with the labels of its ids (`id_hash`), and how many of its records have none there.

    A lineage is taken whole: what a record of the file says of itself is not mixed into it.
    """
    found, labels = taxonomy.labels(table["id_hash"].to_numpy())
    for name, values in labels.items():
        own = table[name].combine_chunks()
        own = own.chunk(0) if isinstance(own, pa.ChunkedArray) else own
        values = pc.if_else(pa.array(found), values, own)
        table = table.set_column(table.column_names.index(name), name, values)
    return table, int((~found).sum())
