"""`read_references`: the labelled barcodes of a reference library, from whatever format it is in.

| format | recognised by |
|---|---|
| BIOSCAN-5M, CANADA-1.5M, the authors' CSVs | the columns of a table |
| BOLD (BCDM) and iBOL tables | the columns of a table; `marker_code` other than COI is left out |
| SINTAX, MIDORI2, DADA2, BOLD, UNITE, OBITools, GenBank | the headers of a FASTA file |
| QIIME 2, mothur, DADA2 | a FASTA file and a taxonomy file beside it |

`barcodemae.data.headers.HEADER_FORMATS` lists the headers, `barcodemae.data.schemas.ALIASES` the
columns' names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from barcodemae.data.cache import read_report
from barcodemae.data.copies import COPIES, GROUP
from barcodemae.data.ids import NUMBER
from barcodemae.data.names import open_names
from barcodemae.data.read_report import ReadReport
from barcodemae.data.reading import JOIN, read_barcodes
from barcodemae.data.schemas import RANKS

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class References:
    """Labelled barcodes, one record for each barcode and lineage; n of them.

    Attributes:
        table: memory-mapped, n rows of strings: `processid`, `nucleotides`, the ranks kingdom ..
            species, `dna_bin`, `split`; and integers: `copies`, `barcode_group`. Missing values
            are None.
    """

    table: datasets.Dataset

    def __len__(self) -> int:
        return len(self.table)

    @property
    def ids(self) -> list[str]:
        """n ids, all different."""
        return self.table["processid"][:]

    @property
    def barcodes(self) -> list[str]:
        """n barcodes in capital letters, without trailing N, as long as they are."""
        return self.table["nucleotides"][:]

    @cached_property
    def lineages(self) -> pd.DataFrame:
        """n rows, a column of strings for each rank and `dna_bin`; "" where a label is missing."""
        return self.table.select_columns([*RANKS, "dna_bin"]).to_pandas().fillna("").astype(object)

    @cached_property
    def open_names(self) -> np.ndarray:
        """(n,) strings: the mark of a species that is an open name ("sp.", "cf.", "aff.", "nr.",
        "complex", "?", "interim", "BOLD": see `names.open_name`); "" for a species or no name."""
        return open_names(self.table.data.column("species"))

    @property
    def copies(self) -> np.ndarray:
        """(n,) int64: how many records of the sources each record stands for."""
        return self.table.data.column(COPIES).to_numpy()

    @property
    def groups(self) -> np.ndarray:
        """(n,) int64: equal for records of the same barcode, whose labels contradict each other."""
        return self.table.data.column(GROUP).to_numpy()

    @property
    def report(self) -> ReadReport:
        """Counts of everything that was left out, joined or renamed, and why; and the formats."""
        return read_report(self.table)


def read_references(
    paths: str | Path | Sequence[str | Path],
    taxonomy: str | Path | Sequence[str | Path] | None = None,
    format: str | None = None,
    *,
    split: str | Sequence[str] | None = None,
    on_error: str = "raise",
    cache_dir: str | Path | None = None,
    progress: bool = True,
) -> References:
    """Read a reference library.

    One record for each barcode and lineage: identical barcodes whose labels agree are joined, what
    one copy lacks it takes from another, and the id is that of the copy with the most labels.
    Copies with labels that contradict each other are kept side by side (`References.groups`).
    Warnings count what was left out or renamed, and so does `References.report`.

    Args:
        paths: files, globs, saved data sets or Hub ids, as for `read_barcodes`; a taxonomy file
            among them is recognised.
        taxonomy: files of ids and lineages (QIIME 2, mothur), for FASTA files without labels.
        format: of FASTA headers, a name of `HEADER_FORMATS`; None: recognised.
        split: only the records of these splits; repeats are sought among them alone.
        on_error: "raise" or "skip", as for `read_barcodes`.
        cache_dir, progress: as for `read_barcodes`.

    Raises:
        BarcodeMAEError: as `read_barcodes`.
    """
    table = read_barcodes(
        paths,
        split=split,
        whole=True,
        repeats=JOIN,
        ids=NUMBER,
        taxonomy=taxonomy,
        header_format=format,
        labels_matter=True,
        on_error=on_error,
        cache_dir=cache_dir,
        progress=progress,
    )
    return References(table)
