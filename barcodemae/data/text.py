"""Columns of text: decoded, trimmed, and null where they name nothing."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from barcodemae.data.names import is_missing, is_placeholder
from barcodemae.data.schemas import RANKS

NOT_UTF_8 = (
    "not UTF-8: the record holds bytes of another encoding; convert the file, for example with "
    "`iconv -f latin1 -t utf-8`"
)


def decoded(column: pa.ChunkedArray | pa.Array, faults: dict[int, str]) -> pa.Array:
    """A column as strings; a row that is not UTF-8 becomes null and goes into `faults`."""
    column = _one_chunk(column)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type):  # a Parquet file may say so of any bytes
        column = column.cast(pa.binary())
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        values = []
        for row, value in enumerate(column.cast(pa.binary()).to_pylist()):
            try:
                values.append(None if value is None else value.decode())
            except UnicodeDecodeError:
                values.append(None)
                faults[row] = NOT_UTF_8
        return pa.array(values, pa.string())


def tidied(
    column: pa.ChunkedArray | pa.Array,
    name: str,
    faults: dict[int, str],
    counts: Counter[tuple[str, str]],
) -> pa.Array:
    """A column of labels as strings without white space around, null for what is missing and, among
    taxa, for placeholders, which are counted.

    Labels repeat, so each different one is looked at once.
    """
    column = _one_chunk(column)
    if column.null_count == len(column):
        return pa.nulls(len(column), pa.string())
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    wrong: dict[int, str] = {}
    values = without_missing(pc.utf8_trim_whitespace(decoded(column.dictionary, wrong)))
    places = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    for place, reason in wrong.items():
        faults.update(dict.fromkeys(np.flatnonzero(places == place).tolist(), reason))
    if name in RANKS:
        placeholder = pc.fill_null(is_placeholder(values), False)
        if pc.any(placeholder).as_py():
            often = np.bincount(places[places >= 0], minlength=len(values))
            for place in np.flatnonzero(placeholder.to_numpy(zero_copy_only=False)).tolist():
                if often[place]:
                    counts["placeholders", values[place].as_py().lower()] += int(often[place])
            values = pc.if_else(placeholder, pa.scalar(None, pa.string()), values)
    return values.take(column.indices)


def whole_species(species: pa.Array, genus: pa.Array) -> pa.Array:
    """Species (n,) with the genus (n,) in front where they are an epithet alone, as DADA2 and
    phyloseq have them: those of two genera would be one."""
    alone = pc.fill_null(pc.match_substring_regex(species, r"^\p{Ll}[\p{Ll}-]*$"), False)
    alone = pc.and_(alone, pc.is_valid(genus))
    if not pc.any(alone).as_py():
        return species
    return pc.if_else(alone, pc.binary_join_element_wise(genus, species, " "), species)


def without_missing(column: pa.Array, any_case: bool = True) -> pa.Array:
    """A column of strings with null for what stands for no value."""
    return pc.if_else(is_missing(column, any_case), pa.scalar(None, pa.string()), column)


def _one_chunk(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
