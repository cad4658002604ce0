"""From the raw text of a few thousand records to canonical columns, checked and prepared."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from barcodemae.data.names import genus_of, is_missing
from barcodemae.data.problems import Problems
from barcodemae.data.schemas import COI, COLUMNS, LONGEST_ID, MARKER, RANKS
from barcodemae.data.source_settings import NAMED, SourceSettings
from barcodemae.data.text import decoded, tidied, whole_species, without_missing
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
        if name in ("nucleotides", "processid"):
            columns[name] = decoded(table[name], faults)
        else:
            columns[name] = tidied(table[name], name, faults, problems.counts)
    for name in set(COLUMNS) - columns.keys():
        columns[name] = pa.nulls(len(table), pa.string())
    columns["species"] = whole_species(columns["species"], columns["genus"])
    records = table["record"].combine_chunks()
    is_named = (table.schema.metadata or {}).items() >= NAMED.items()
    columns["processid"] = _ids(columns["processid"], records, label, is_named, faults, problems)
    columns["nucleotides"] = _tidied(columns["nucleotides"], settings.degap, faults)
    for row in sorted(faults):
        id = columns["processid"][row].as_py()
        problems.add(file, records[row].as_py(), id, faults[row])

    clean = pa.table({"record": records, **{name: columns[name] for name in COLUMNS}})
    return clean.take(np.setdiff1d(np.arange(len(clean)), list(faults))) if faults else clean


def tidy_labels(table: pa.Table, problems: Problems) -> pa.Table:
    """`table` with null for what is missing among its taxa, and for placeholders."""
    for name in (*RANKS, "dna_bin"):
        column = tidied(table[name], name, {}, problems.counts)
        table = table.set_column(table.column_names.index(name), name, column)
    genus = table["genus"].combine_chunks()
    species = whole_species(table["species"].combine_chunks(), genus)
    return table.set_column(table.column_names.index("species"), "species", species)


def fill_genera(table: pa.Table, file: str, problems: Problems) -> pa.Table:
    """`table` with the genus of a species' name of two words where a record has none.

    What has the name of another of the record's ranks in front ("Diptera larva") is no such name.
    """
    lacking = pc.and_(pc.is_null(table["genus"]), pc.is_valid(table["species"]))
    rows = np.flatnonzero(lacking.to_numpy())
    if not len(rows):
        return table
    genera = table["genus"].to_pylist()
    above = [table[rank] for rank in RANKS[: RANKS.index("genus")]]
    for row in rows.tolist():
        genus = genus_of(table["species"][row].as_py())
        if genus and genus not in (names[row].as_py() for names in above):
            genera[row] = genus
            problems.counts["genera_of_species", file] += 1
    at = table.column_names.index("genus")
    return table.set_column(at, "genus", pa.array(genera, pa.string()))


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
    marker = pc.utf8_trim_whitespace(decoded(table[MARKER], {}))
    table = table.drop_columns(MARKER)
    other = pc.invert(pc.or_kleene(is_missing(marker), pc.match_substring_regex(marker, COI)))
    if not pc.any(other).as_py():
        return table
    for value in pc.value_counts(marker.filter(other)).to_pylist():
        problems.counts["other_markers", value["values"]] += value["counts"]
    return table.filter(pc.invert(other))


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


def _tidied(nucleotides: pa.Array, degap: bool, faults: dict[int, str]) -> pa.Array:
    """Barcodes in capital letters without white space, U as T, I as N, and gaps if they may stay;
    what is no barcode goes to `faults`. Most are as they should be and are looked at once."""
    sound = pc.fill_null(pc.match_substring_regex(nucleotides, _PLAIN), False)
    sound = pc.and_not(sound, pc.fill_null(pc.equal(nucleotides, "NA"), False))
    if degap:
        sound = pc.and_not(sound, pc.fill_null(pc.match_substring(nucleotides, "-"), False))
    odd = np.flatnonzero(~sound.to_numpy(zero_copy_only=False))
    if not len(odd):
        return nucleotides
    signs = r"[\s.-]+" if degap else r"\s+"
    tidy = pc.replace_substring_regex(nucleotides.take(pa.array(odd)), signs, "")
    tidy = pc.ascii_upper(without_missing(tidy, any_case=False))  # upper-cased, "nan" is a barcode
    tidy = pc.replace_substring(pc.replace_substring(tidy, "U", "T"), "I", "N")
    plain = pc.fill_null(pc.match_substring_regex(tidy, _PLAIN), False)
    for place in np.flatnonzero(~plain.to_numpy(zero_copy_only=False)).tolist():
        fault = fault_of(tidy[place].as_py())
        if fault:
            faults.setdefault(int(odd[place]), fault)
    if len(odd) == len(nucleotides):
        return tidy
    return pc.replace_with_mask(nucleotides, pc.invert(sound), tidy)
