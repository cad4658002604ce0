"""The canonical columns of a barcode table, and the published schemas that map onto them.

BIOSCAN-5M and CANADA-1.5M metadata, the prepared CSVs of the BarcodeBERT and BarcodeMAE authors,
BOLD's own exports and our shared Parquet differ in column names and in how they write a missing
value. A table is recognised by its columns alone, whatever its file is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa

RANKS = ("kingdom", "phylum", "class", "order", "family", "subfamily", "genus", "species")
COLUMNS = ("processid", "nucleotides", *RANKS, "dna_bin", "split")
BATCH = 16_384  # records handled at a time, about 10 MB of barcodes

# Columns that hold ids in some tables, and in others what several records share. R leaves the name
# of the row names empty.
_WEAK_IDS = (
    *("catalog number", "specimen id", "sample id", "sample", "sample name", "name", "label"),
    *("header", ""),
)
# Names under which a column goes, the preferred one first; compared without case, white space and
# signs: "Process ID" is process_id.
ALIASES = {
    "processid": (
        *("processid", "id", "seqid", "sequence id", "record id", "feature id", "#otu id", "otu"),
        *("asv id", "asv", "zotu", "accession", "accession number", "genbank accession", "acc"),
        *("barcode id", "read id", "query id", "query", "identifier", "occurrence id"),
        *_WEAK_IDS,
    ),
    "nucleotides": (
        *("nucleotides", "dna_barcode", "nuc", "nucraw", "sequence", "seq", "dna_sequence"),
        *("nucleotide sequence", "nucleotide", "barcode sequence"),
    ),
    **{rank: (rank, f"{rank}_name", f"{rank}_reg") for rank in RANKS},
    "dna_bin": ("dna_bin", "bin_uri", "bin", "bin_guid", "bin id", "bin_name"),
    "split": ("split",),
}
MARKER, MARKERS = "marker", ("marker_code", "marker", "gene")
# COI as BOLD, iBOL and GenBank call it; not COI-5PNMT1, a copy of it in the nucleus, nor COII.
COI = (
    r"(?i)^(?:COI|CO1|COX1|COXI|MT-?CO1|COI-FULL|cytochrome (?:c )?oxidase (?:subunit )?(?:I|1))"
    r"(?:-[35]P|-?MINI)?$"
)
LONGEST_ID = 4096  # bytes


SCHEMA = pa.schema([(column, pa.string()) for column in COLUMNS])  # of prepared tables


def match_columns(names: Iterable[str], extra: Iterable[str] = ()) -> dict[str, int]:
    """Positions of the canonical columns among `names`, a table's column names in their order.

    Columns that the table lacks are absent from the answer; of several aliases the preferred one
    wins (an authors' CSV may hold both `dna_bin` and `bin_uri`). `extra` are other columns to look
    for, by any spelling; `MARKER` is looked for, too.

    Raises:
        RepeatedColumn: two columns go by the name that was found.
    """
    position: dict[str, int] = {}
    repeated: set[str] = set()
    for index, name in enumerate(names):
        if not _key(name) and index:
            continue
        if position.setdefault(_key(name), index) != index:
            repeated.add(_key(name))
    found = {}
    for column, aliases in {
        **ALIASES,
        MARKER: MARKERS,
        **{name: (name,) for name in extra},
    }.items():
        alias = next((alias for alias in map(_key, aliases) if alias in position), None)
        if alias in repeated:
            raise RepeatedColumn(alias)
        if alias is not None:
            found[column] = position[alias]
    return found


class RepeatedColumn(Exception):
    """Two columns of a table have one name; its argument is that name."""


def is_weak_id(name: str) -> bool:
    """Whether a column of this name may hold ids, and need not."""
    return _key(name) in map(_key, _WEAK_IDS)


def _key(name: str) -> str:
    """A column's name without what spellings differ in."""
    return re.sub(r"[\W_]+", "", name.lower())


def delimiter_of(header: str) -> str:
    """The delimiter of a table, by its header line: a tab if there is one (lineages after it hold
    semicolons), else a comma or a semicolon, whichever is more frequent."""
    return "\t" if "\t" in header else max(",;\t", key=header.count)


def is_separator_line(line: str) -> bool:
    """Whether a first line is the one that tells Excel the delimiter: `sep=;`."""
    return re.fullmatch(r'"?sep=[\t,;|]?"?', line.strip(" \r\n"), re.I) is not None


def is_quoted(delimiter: str) -> bool:
    """Whether values may be quoted as in RFC 4180; between tabs a quote is a letter."""
    return delimiter != "\t"
