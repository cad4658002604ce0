"""The canonical columns of a barcode table, and the published schemas that map onto them.

BIOSCAN-5M and CANADA-1.5M metadata, the prepared CSVs of the BarcodeBERT and BarcodeMAE authors,
BOLD's own exports and our shared Parquet differ in column names and in how they write a missing
value. A table is recognised by its columns alone, whatever its file is called.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

RANKS = ("phylum", "class", "order", "family", "subfamily", "genus", "species")
COLUMNS = ("processid", "nucleotides", *RANKS, "dna_bin", "split")
BATCH = 16_384  # records handled at a time, about 10 MB of barcodes
SCHEMA = pa.schema([(column, pa.string()) for column in COLUMNS])

# Names under which a column goes, the preferred one first; compared without case.
ALIASES = {
    "processid": ("processid", "process_id", "id"),
    "nucleotides": ("nucleotides", "dna_barcode", "nuc", "sequence"),
    **{rank: (rank, f"{rank}_name") for rank in RANKS},
    "dna_bin": ("dna_bin", "bin_uri", "bin"),
    "split": ("split",),
}

MISSING = frozenset(
    ("", "nan", "NaN", "NA", "N/A", "<NA>", "-1", "-1.0", "None", "none", "null", "NULL", "no_data")
)


def match_columns(names: Iterable[str]) -> dict[str, int]:
    """Positions of the canonical columns among `names`, a table's column names in their order.

    Columns that the table lacks are absent from the answer; of several aliases the preferred one
    wins (an authors' CSV may hold both `dna_bin` and `bin_uri`).
    """
    position = {}
    for index, name in enumerate(names):
        position.setdefault(name.strip().strip('"').lower(), index)
    found = {}
    for column, aliases in ALIASES.items():
        for alias in aliases:
            if alias in position:
                found[column] = position[alias]
                break
    return found


def delimiter_of(header: str) -> str:
    """The delimiter of a table, by its header line: tab, comma or semicolon."""
    return max("\t,;", key=header.count)


def is_quoted(delimiter: str) -> bool:
    """Whether values may be quoted as in RFC 4180; between tabs a quote is a letter."""
    return delimiter != "\t"
