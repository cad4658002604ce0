"""Barcodes of the splits that an evaluation asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from barcodemae.data.preparation import MAX_LENGTH
from barcodemae.errors import BarcodeMAEError

_WHOLE = "whole"


def split_names(name: str) -> list[str]:
    """The splits that "val,val_unseen" stands for."""
    return [part.strip() for part in name.split(",") if part.strip()]


@dataclass(frozen=True)
class BarcodeSet:
    """Barcodes of one split or of several, in the order of `name`.

    Attributes:
        name: "train", or several splits, "val,val_unseen".
        table: the canonical columns of `barcodemae.data`, one row for each barcode; where its
            nucleotides are cut, the column `whole` holds the records as they are.
    """

    name: str
    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def sequences(self) -> list[str]:
        return self.table["nucleotides"].tolist()

    @cached_property
    def whole(self) -> list[str]:
        """The records as they are, for who finds the barcode in them."""
        return whole_of(self.table)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the nucleotides, in order, by which runs know the same barcodes."""
        return digest(self.sequences)

    @cached_property
    def content(self) -> str:
        """The same of the whole records, for what is kept of them."""
        return digest(self.whole)

    def labels(self, rank: str) -> np.ndarray:
        """(n,) taxa at `rank` (or `dna_bin`), "" where missing."""
        return self.table[rank].fillna("").to_numpy(dtype=str)

    def species_groups(self, rank: str) -> np.ndarray:
        """(labelled at `rank`,) codes of species; a barcode without one is a group of its own."""
        species = self.labels("species")[self.labels(rank) != ""]
        nameless = species == ""
        names = np.where(nameless, np.char.add("\t", np.arange(len(species)).astype(str)), species)
        return np.unique(names, return_inverse=True)[1]


def whole_of(table: pd.DataFrame) -> list[str]:
    """The nucleotides of a table of `BarcodeSet`, as they are."""
    return table[_WHOLE if _WHOLE in table else "nucleotides"].tolist()


def digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


@dataclass(frozen=True)
class Barcodes:
    """All splits of an evaluation: canonical columns, with `split` filled in."""

    table: pd.DataFrame

    @classmethod
    def read(
        cls, sources: Sequence[str | Path], splits: Sequence[str], prepare: bool = True
    ) -> Barcodes:
        """Read the named splits of FASTA, CSV, TSV or Parquet files, data sets or Hub ids.

        `prepare`: strip trailing N, drop repeats and cut at 660 nucleotides (paper-faithful), but
            for what reads on a grid.

        Raises:
            BarcodeMAEError: a split is missing or empty; the message lists those there are.
        """
        from barcodemae.data.reading import FIRST, MERGE, read_barcodes

        # The label of a barcode is that of its copies, too, whichever comes first.
        how = {"prepare": prepare, "ids": "number", "repeats": MERGE if prepare else FIRST}
        how["whole"] = prepare
        present = sorted(filter(None, read_barcodes(sources, **how).unique("split")))
        if absent := [name for name in splits if name not in present]:
            raise BarcodeMAEError(
                f"there is no barcode in the split {absent[0]!r} of {', '.join(map(str, sources))}."
                f" Splits there: {', '.join(present) or 'none: add a column `split` to the table'}"
            )
        found = read_barcodes(sources, split=list(splits), labels_matter=True, **how)
        table = found.to_pandas()
        if prepare:
            cut = table["nucleotides"].str.slice(0, MAX_LENGTH)
            table = table.assign(**{_WHOLE: table["nucleotides"], "nucleotides": cut})
        return cls(table)

    def get(self, name: str) -> BarcodeSet:
        """The barcodes of a split, or of several in their order ("val,val_unseen")."""
        tables = [self.table[self.table["split"] == split] for split in split_names(name)]
        return BarcodeSet(name, pd.concat(tables, ignore_index=True))
