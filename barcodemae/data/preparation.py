"""From the raw text of a few thousand records to canonical columns, checked and prepared."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from barcodemae.data.problems import Problems
from barcodemae.data.schemas import COLUMNS, MISSING
from barcodemae.errors import BarcodeMAEError

MAX_LENGTH = 660  # nucleotides that a model reads (paper, section 2.2.2)

_MISSING = pa.array(sorted(MISSING))
_PLAIN = (
    r"^[ACGTN-]*[ACGT][ACGTN-]*$"  # what most barcodes look like; the rest are looked at singly
)
_NOT_IUPAC = re.compile(r"[^ACGTNRYSWKMBDHV.-]")


def standardise(table: pa.Table, file: str, label: str, problems: Problems) -> pa.Table:
    """Canonical string columns, and `record`, of the sound records among those of `table`.

    `table` holds `record`, numbers counted from 1 within `file`, and then any of the canonical
    columns as text or undecoded bytes. Missing values become null; nucleotides lose white space,
    are upper-cased, and U becomes T (so that RNA and DNA of one barcode are one). A record without
    an id gets `LABEL:RECORD`. Faulty records are reported to `problems` and left out.
    """
    faults: dict[int, str] = {}
    columns = {}
    for name in table.column_names[1:]:
        kind = table[name].type
        if pa.types.is_nested(kind):
            raise BarcodeMAEError(f"{file}: the column of {name} holds {kind}; make it text")
        columns[name] = _text(table[name], faults)
    for name in COLUMNS:
        if name not in columns:
            columns[name] = pa.nulls(len(table), pa.string())
        elif name != "nucleotides":
            columns[name] = _nullify(pc.utf8_trim_whitespace(columns[name]))
    records = table["record"].combine_chunks()
    columns["processid"] = _fill_ids(columns["processid"], records, label)
    columns["nucleotides"] = _tidy(columns["nucleotides"])

    plain = pc.fill_null(pc.match_substring_regex(columns["nucleotides"], _PLAIN), False)
    for row in np.flatnonzero(~plain.to_numpy(zero_copy_only=False)).tolist():
        fault = fault_of(columns["nucleotides"][row].as_py())
        if fault and row not in faults:
            faults[row] = fault
    for row in sorted(faults):
        id = columns["processid"][row].as_py()
        problems.add(file, records[row].as_py(), id, faults[row])

    clean = pa.table({"record": records, **{name: columns[name] for name in COLUMNS}})
    return clean.take(np.setdiff1d(np.arange(len(clean)), list(faults))) if faults else clean


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


def _text(column: pa.ChunkedArray, faults: dict[int, str]) -> pa.Array:
    """Decode one column; a row that is not UTF-8 becomes null and goes into `faults`."""
    column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
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


def _nullify(column: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_in(column, _MISSING), pa.scalar(None, pa.string()), column)


def _fill_ids(ids: pa.Array, records: pa.Array, label: str) -> pa.Array:
    if not ids.null_count:
        return ids
    numbered = pc.binary_join_element_wise(label, records.cast(pa.string()), ":")
    return pc.coalesce(ids, numbered)


def _tidy(nucleotides: pa.Array) -> pa.Array:
    if pc.any(pc.match_substring_regex(nucleotides, r"\s")).as_py():
        nucleotides = pc.replace_substring_regex(nucleotides, r"\s+", "")
    nucleotides = pc.ascii_upper(_nullify(nucleotides))  # upper-cased, "nan" would be a barcode
    if pc.any(pc.match_substring(nucleotides, "U")).as_py():
        nucleotides = pc.replace_substring(nucleotides, "U", "T")
    return nucleotides
