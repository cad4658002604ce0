"""Names of taxa as public sources write them: placeholders, open names, prefixes and tax ids.

A placeholder ("unclassified", "incertae sedis", "s__") names nothing and counts as missing. An open
name ("Pieris sp.", "Pieris cf. rapae", "Gammarus sp. BOLD:AAA1234") names a specimen of a species
that nobody named: it is kept, and marked.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# How a table writes that there is no value. Labels are compared without case; nucleotides are not:
# NAN is a barcode.
MISSING = frozenset(
    ("", "nan", "NaN", "NA", "N/A", "<NA>", "-1", "-1.0", "None", "none", "null", "NULL", "no_data")
)
_ANY_CASE = pa.array(sorted({value.lower() for value in MISSING}))
_EXACT = pa.array(sorted(MISSING))

_WORDS = (
    "unclassified|unknown|undef|undefined|unidentified|undetermined|unassigned|unnamed|unranked|"
    "uncultured|uncertain|undescribed|environmental[ _]samples?|metagenome"
)
# RE2, as Arrow speaks it; (?i): without case.
_PLACEHOLDER = (
    r"(?i)^(?:"
    rf"\W*(?:{_WORDS})\W*"
    rf"|(?:{_WORDS})[ _].*"  # unclassified Insecta, uncultured_eukaryote
    rf"|.*[ _](?:{_WORDS})"  # Insecta_unclassified
    r"|.*incert(?:ae|a)[ _.-]*sed(?:is|es)\b.*"
    r"|(?:not[ _]|non[ _])(?:applicable|available|assigned|known|identified|determined|provided)"
    r"|(?:no|missing)[ _-]?(?:data|name|hits?|rank|match)?|tbd|[^\pL\pN]+"  # \W would be é
    r"|(?:sk|[dkpcofgst])(?:__|:)\W*"  # s__, g:
    r"|(?:superkingdom|kingdom|phylum|class|order|family|genus|species)_.+"  # MIDORI2's fillers
    r"|.*_x{1,6}"  # PR2's: Insecta_X
    r")$"
)
_MAYBE_PLACEHOLDER = (
    r"(?i)un[a-z]{3}|incert|^\W|^not|^non|^no|missing|tbd|metagenom|environmental|__|:|_"
)

_PREFIX = re.compile(r"^\s*(?:sk|[dkpcofgst])(?:__|:)\s*", re.I)
# Not one digit alone, but for the root: "Family_1" is a name that somebody gave.
_TAX_ID = re.compile(
    r"(?<![ _]sp)(?<![ _]sp\.)_\d\d+$|(?<=^root)_1$"
    r"|\s*[(\[](?:taxid|taxon)?[: ]*\d+(?:\.\d+)?%?[)\]]$",
    re.I,
)

_AUTHOR = r"(?:\([A-Z][a-z]+\) )?[a-z-]+ (?:\([^\W\d]\D*[ ,]|[^\W\d]\D*, ?)(?:1[789]|20)\d\d\)?$"
_OPEN = (
    ("BOLD", re.compile(r"\bBOLD[:_-]?[A-Z]{3}\d{3,5}\b")),
    ("cf.", re.compile(r"[ _]cfr?(?:\.|[ _]|$)", re.I)),
    ("aff.", re.compile(r"[ _]aff(?:\.|[ _]|$)", re.I)),
    ("nr.", re.compile(r"[ _](?:nr|near|prope)(?:\.|[ _]|$)", re.I)),
    ("sp.", re.compile(r"[ _](?:n\.? ?)?(?:sp|spp|spec)(?:\.|[ _]|n\.|nov\b|\d|$)", re.I)),
    ("complex", re.compile(r"[ _](?:gr|agg|group|complex|s\.l|sensu lato)(?:\.|[ _]|$)", re.I)),
    ("?", re.compile(r"\?")),
    # Apanteles Rodriguez01, Malaise5892: interim names by a person or a number, not an epithet; the
    # year of an author ("Musca domestica Linnaeus, 1758") is none.
    (
        "interim",
        re.compile(rf"^[A-Z][\w-]+ (?:[A-Z]|(?!{_AUTHOR}).*\d)|^[A-Za-z]+\d+\w*$"),
    ),
)
# Not what stands in for an epithet, nor a name with the ending of a family or subfamily.
_BINOMIAL = re.compile(
    r"(?![\w-]+(?:idae|inae) )([A-Z][a-z]+(?:-[a-z]+)?) "
    r"(?!(?:gen|hybrid|indet|larvae?|nov)$)[a-z-]+"
)
_NEEDS_A_LOOK = r"[ _](?i:cf|aff|nr|near|prope|n\.? ?sp|sp|gr|agg|group|complex|s\.l|sensu)|[?0-9:]"
_NEEDS_A_LOOK += r"| [A-Z]"


def is_missing(values: pa.Array, any_case: bool = True) -> pa.Array:
    """Which of an array of trimmed strings stand for no value: (n,) booleans; null counts."""
    is_word = pc.is_in(pc.utf8_lower(values), _ANY_CASE) if any_case else pc.is_in(values, _EXACT)
    return pc.or_kleene(pc.is_null(values), is_word)


def is_placeholder(values: pa.Array) -> pa.Array:
    """Which of an array of trimmed strings are worded placeholders: (n,) booleans, null where null.

    Two passes, since most names need no more than the cheap one.
    """
    maybe = pc.match_substring_regex(values, _MAYBE_PLACEHOLDER)
    if not pc.any(maybe).as_py():
        return maybe
    return pc.match_substring_regex(values, _PLACEHOLDER)


def open_name(species: str) -> str:
    """The mark of an open name: "sp.", "cf.", "aff.", "nr.", "complex", "?", "interim" (a person or
    a number in place of an epithet), "BOLD" (a BIN in place of one); "" for a species' name."""
    return next((mark for mark, pattern in _OPEN if pattern.search(species)), "")


def open_names(species: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """The mark of `open_name` for each of n species, "" where null: (n,) objects."""
    marks = np.full(len(species), "", dtype=object)
    look = pc.fill_null(pc.match_substring_regex(species, _NEEDS_A_LOOK), False)
    for row in np.flatnonzero(np.asarray(look)):
        marks[row] = open_name(species[int(row)].as_py())
    return marks


def genus_of(species: str) -> str:
    """The genus of a species' name of two words, "Aedes" of "Aedes aegypti"; "" for an open name
    and for any other text."""
    match = _BINOMIAL.fullmatch(species)
    return match.group(1) if match and not open_name(species) else ""


def plain_name(text: str) -> str:
    """A name without its rank's prefix, its tax id or bootstrap value: "g__Aus_123" is "Aus"."""
    name = _TAX_ID.sub("", _PREFIX.sub("", text.strip())).strip()
    return name[1:-1] if re.fullmatch('"[^"]*"', name) else name
