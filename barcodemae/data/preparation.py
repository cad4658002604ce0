"""From the raw text of a few thousand records to canonical columns, checked and prepared."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from barcodemae.data.names import is_missing, is_placeholder
from barcodemae.data.problems import Problems
from barcodemae.data.schemas import COI, COLUMNS, LONGEST_ID, MARKER, RANKS
from barcodemae.data.source_settings import NAMED, SourceSettings
from barcodemae.errors import BarcodeMAEError

MAX_LENGTH = 660  # nucleotides that a model reads (paper, section 2.2.2)

_PLAIN = (
    r"^[ACGTN-]*[ACGT][ACGTN-]*$"  # what most barcodes look like; the rest are looked at singly
)
_NOT_IUPAC = re.compile(r"[^ACGTNRYSWKMBDHV.-]")


def standardise(
    table: pa.Table,
    file: str,
    label: str,
    problems: Problems,
    settings: SourceSettings | None = None,
) -> pa.Table:
    """Canonical string columns, and `record`, of the sound records among those of `table`.

    `table` holds `record`, numbers counted from 1 within `file`, and then any of the canonical
    columns as text or undecoded bytes. Missing values and placeholders become null; nucleotides
    lose white space, are upper-cased, U becomes T (so that RNA and DNA of one barcode are one) and
    I, inosine, becomes N. A record without an id gets `LABEL:RECORD`; one of another marker than
    COI is left out. Faulty records are reported to `problems` and left out. The counts of
    `problems` say how often what was done.
    """
    settings = settings or SourceSettings()
    table = _only_coi(table, problems)
    faults: dict[int, str] = {}
    columns = {}
    for name in table.column_names[1:]:
        kind = table[name].type
        if pa.types.is_nested(kind):
            raise BarcodeMAEError(f"{file}: the column of {name} holds {kind}; make it text")
        columns[name] = _text(table[name], faults)
    names = [*COLUMNS, *settings.extra]
    for name in names:
        if name not in columns:
            columns[name] = pa.nulls(len(table), pa.string())
        elif name not in ("nucleotides", "processid"):
            columns[name] = _label(columns[name], name, problems)
    records = table["record"].combine_chunks()
    is_named = (table.schema.metadata or {}).items() >= NAMED.items()
    columns["processid"] = _ids(columns["processid"], records, label, is_named, faults, problems)
    columns["nucleotides"] = _tidy(columns["nucleotides"], settings.degap)

    plain = pc.fill_null(pc.match_substring_regex(columns["nucleotides"], _PLAIN), False)
    for row in np.flatnonzero(~plain.to_numpy(zero_copy_only=False)).tolist():
        fault = fault_of(columns["nucleotides"][row].as_py())
        if fault and row not in faults:
            faults[row] = fault
    for row in sorted(faults):
        id = columns["processid"][row].as_py()
        problems.add(file, records[row].as_py(), id, faults[row])

    clean = pa.table({"record": records, **{name: columns[name] for name in names}})
    return clean.take(np.setdiff1d(np.arange(len(clean)), list(faults))) if faults else clean


def tidy_labels(table: pa.Table, problems: Problems) -> pa.Table:
    """`table` with null for what is missing among its taxa, and for placeholders."""
    for name in (*RANKS, "dna_bin"):
        column = _label(table[name].combine_chunks(), name, problems)
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def fault_of(nucleotides: str | None) -> str | None:
    """Why an upper-case string is not a usable barcode, with the remedy; None if it is one.

    IUPAC ambiguity codes, N and gaps (`-`, `.`) are accepted: the tokenizer turns the k-mers that
    hold them into [UNK].
    """
    if not nucleotides:
        return "no sequence: complete the record or remove it"
    if odd := _NOT_IUPAC.search(nucleotides):
        return (
            f"not DNA: {odd.group()!r} at nucleotide {odd.start() + 1} is no IUPAC code; "
            "give nucleotides, not protein or other text"
        )
    known = sum(map(nucleotides.count, "ACGT"))
    unknown = sum(map(nucleotides.count, "N-."))
    if not known and unknown == len(nucleotides):
        return "only unknown nucleotides: the sequence is all N or gaps; remove the record"
    if 2 * (len(nucleotides) - unknown - known) > len(nucleotides) - unknown:
        return (
            f"not DNA: more than half of {nucleotides[:20]!r}... are ambiguity codes; "
            "give nucleotides, not protein or other text"
        )
    return None


def strip_unknown_end(nucleotides: pa.Array) -> pa.Array:
    """Barcodes without their trailing N, as the authors prepare them."""
    return pc.ascii_rtrim(nucleotides, "N")


def cut(nucleotides: pa.Array) -> pa.Array:
    """The first 660 nucleotides of each barcode."""
    return pc.utf8_slice_codeunits(nucleotides, 0, MAX_LENGTH)


def _only_coi(table: pa.Table, problems: Problems) -> pa.Table:
    """The records whose marker is COI or not told, without the column; the others are counted."""
    if MARKER not in table.column_names:
        return table
    marker = pc.utf8_trim_whitespace(_text(table[MARKER], {}))
    table = table.drop_columns(MARKER)
    other = pc.invert(pc.or_kleene(is_missing(marker), pc.match_substring_regex(marker, COI)))
    if not pc.any(other).as_py():
        return table
    for value in pc.value_counts(marker.filter(other)).to_pylist():
        problems.counts["other_markers", value["values"]] += value["counts"]
    return table.filter(pc.invert(other))


def _text(column: pa.ChunkedArray, faults: dict[int, str]) -> pa.Array:
    """Decode one column; a row that is not UTF-8 becomes null and goes into `faults`."""
    column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type):  # a Parquet file may say so of any bytes
        column = column.cast(pa.binary())
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        decoded = []
        for row, value in enumerate(column.cast(pa.binary()).to_pylist()):
            try:
                decoded.append(None if value is None else value.decode())
            except UnicodeDecodeError:
                decoded.append(None)
                faults[row] = (
                    "not UTF-8: the record holds bytes of another encoding; convert the file, "
                    "for example with `iconv -f latin1 -t utf-8`"
                )
        return pa.array(decoded, pa.string())


def _label(column: pa.Array, name: str, problems: Problems) -> pa.Array:
    """A trimmed column with null for what is missing and, among taxa, for placeholders."""
    column = _nullify(pc.utf8_trim_whitespace(column))
    if name not in RANKS:
        return column
    placeholder = pc.fill_null(is_placeholder(column), False)
    if not pc.any(placeholder).as_py():
        return column
    for value in pc.value_counts(pc.utf8_lower(column.filter(placeholder))).to_pylist():
        problems.counts["placeholders", value["values"]] += value["counts"]
    return pc.if_else(placeholder, pa.scalar(None, pa.string()), column)


def _nullify(column: pa.Array, any_case: bool = True) -> pa.Array:
    return pc.if_else(is_missing(column, any_case), pa.scalar(None, pa.string()), column)


def _ids(
    ids: pa.Array,
    records: pa.Array,
    label: str,
    is_named: bool,
    faults: dict[int, str],
    problems: Problems,
) -> pa.Array:
    """Ids without white space around, those that are missing filled in.

    `is_named`: they come from headers, where "NA" is a name like any other.
    """
    ids = pc.utf8_trim_whitespace(ids)
    is_empty = pc.equal(pc.fill_null(pc.binary_length(ids), 0), 0)
    missing = is_empty if is_named else is_missing(ids)
    for bad, reason in (
        (pc.greater(pc.binary_length(ids), LONGEST_ID), f"an id of more than {LONGEST_ID:,} bytes"),
        (pc.match_substring_regex(ids, r"[\x00-\x1f]"), "a control character stands inside the id"),
    ):
        for row in np.flatnonzero(pc.fill_null(bad, False).to_numpy(zero_copy_only=False)).tolist():
            faults.setdefault(row, f"{reason}: shorten or correct it")
    if not pc.any(missing).as_py():
        return ids
    problems.counts["numbered", label] += pc.sum(missing).as_py()
    numbered = pc.binary_join_element_wise(label, records.cast(pa.string()), ":")
    return pc.if_else(missing, numbered, ids)


def _tidy(nucleotides: pa.Array, degap: bool) -> pa.Array:
    signs = r"[\s.-]" if degap else r"\s"
    if pc.any(pc.match_substring_regex(nucleotides, signs)).as_py():
        nucleotides = pc.replace_substring_regex(nucleotides, f"{signs}+", "")
    nucleotides = pc.ascii_upper(
        _nullify(nucleotides, any_case=False)
    )  # upper-cased, "nan" would be a barcode
    for letter, read_as in (("U", "T"), ("I", "N")):
        if pc.any(pc.match_substring(nucleotides, letter)).as_py():
            nucleotides = pc.replace_substring(nucleotides, letter, read_as)
    return nucleotides
