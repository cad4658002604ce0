"""FASTA headers that carry more than an id: reference libraries, by the way they write lineages.

`recognise` tells the format from the first headers of a file; `HEADER_FORMATS` is the table of all.
Each takes a header apart into the id and the canonical columns that it holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from barcodemae.data.lineage_text import begins_at_the_top, is_lineage, lineage_of
from barcodemae.data.schemas import MARKER

Parts = tuple[str, dict[str, str]]  # id, values by canonical column


@dataclass(frozen=True)
class HeaderFormat:
    """One way to write headers.

    Attributes:
        name: what `format=` calls it.
        example: a header in it.
        matches: whether one header may be in it.
        parts: the header's id and columns.
        share: how many of a file's headers have to match for it to be recognised.
    """

    name: str
    example: str
    matches: Callable[[str], bool]
    parts: Callable[[str], Parts]
    share: float = 0.9


def first_word(header: str) -> str:
    """The id of a plain header."""
    return header.split(maxsplit=1)[0] if header.strip() else ""


def recognise(headers: Sequence[str]) -> HeaderFormat:
    """The first of `HEADER_FORMATS` that nearly all of `headers` are in; else the plain one."""
    for each in HEADER_FORMATS.values():
        if sum(map(each.matches, headers)) >= max(1, each.share * len(headers)):
            return each
    return PLAIN


_SINTAX = re.compile(r"[;\s]tax=", re.I)
_MIDORI = re.compile(r"###|\t")
_MARKER = re.compile(r"^(?:CO[IX]\w*|COI-[35]P\w*|CYTB|ITS[12]?|rbcLa?|matK|\d\dS|28S[-\w]*|H3)$")
_BIN = re.compile(r"^BOLD:[A-Z]{3}\d{3,5}$")
_BINOMIAL = re.compile(
    r"^[A-Z][a-z-]+ (?:\([A-Z][a-z]+\) )?(?:(?:cf|aff|nr|sp)\b\.?.*|[a-z-]+\b.*)"
)
_OBITOOLS = re.compile(r"\b(kingdom|phylum|class|order|family|genus|species)_name=([^;]+);")
_ACCESSION = re.compile(r"^[A-Z]{1,6}_?\d{5,}(?:\.\d+)? ")
_SPECIES_ALONE = re.compile(r"^\S+ [A-Z][a-z-]+ [a-z-]{2,}\.?(?: [a-z-]+)?$")


def _sintax(header: str) -> Parts:
    id, lineage = _SINTAX.split(header, maxsplit=1)
    return first_word(id.rstrip(";")), lineage_of(lineage.split(";")[0])


def _bold(header: str) -> Parts:
    """BOLD: `ID|taxon|marker|accession`, the fields in any order and more of them."""
    id, *fields = (field.strip() for field in header.split("|"))
    found: dict[str, str] = {}
    for field in fields:
        if _MARKER.match(field):
            found.setdefault(MARKER, field)
        elif _BIN.match(field):
            found.setdefault("dna_bin", field)
        elif is_lineage(field) or field.count(",") >= 4:
            found |= lineage_of(field.replace(",", ";"))
        elif "species" not in found:
            found |= _taxon(field.replace("_", " "))
    return first_word(id), found


def _taxon(name: str) -> dict[str, str]:
    """What a name alone tells: a binomial of species and genus, an ending of a family."""
    if _BINOMIAL.match(name):
        return {"genus": name.split(" ")[0], "species": name}
    if re.fullmatch(r"[A-Z][a-z]+idae", name):
        return {"family": name}
    return {"subfamily": name} if re.fullmatch(r"[A-Z][a-z]+inae", name) else {}


def _midori(header: str) -> Parts:
    id, lineage = _MIDORI.split(header, maxsplit=1)
    return first_word(id), lineage_of(lineage)


def _id_and_lineage(header: str) -> Parts:
    """`ID lineage` and `ID|lineage` (UNITE: `name|accession|id|type|lineage`)."""
    if "|" in header and not header.split("|")[0].count(" "):
        id, lineage = header.rsplit("|", 1)
        if is_lineage(lineage):
            return first_word(id), lineage_of(lineage)
    id, *rest = header.split(maxsplit=1)
    return id, lineage_of(rest[0]) if rest else {}


def _is_id_and_lineage(header: str) -> bool:
    rest = header.split("|")[-1] if "|" in header else header.partition(" ")[2]
    return rest != header and is_lineage(rest)


def _lineage_alone(header: str) -> Parts:
    return "", lineage_of(header)


def _is_lineage_alone(header: str) -> bool:
    # DADA2 writes no blank but within a species, which stands last.
    above, _, _ = header.rstrip("; ").rpartition(";")
    is_long = header.count(";") >= 2 or begins_at_the_top(header)
    return is_long and not set("= |").intersection(above)


def _species(header: str) -> Parts:
    """`ID Genus species ...`: DADA2's assignSpecies, and the headers of GenBank."""
    id, genus, *words = header.split()
    count = 2 if words[0].startswith("(") else 1  # a subgenus
    if re.fullmatch(r"(?:cf|aff|nr|sp)\.?", words[count - 1]):
        count += 1
    return id, {"genus": genus, "species": " ".join([genus, *words[:count]])}


def _is_genbank(header: str) -> bool:
    words = header.split()
    return bool(_ACCESSION.match(header)) and bool(_BINOMIAL.match(" ".join(words[1:4])))


def _obitools(header: str) -> Parts:
    found = {rank: name.strip() for rank, name in _OBITOOLS.findall(header)}
    return first_word(header), _taxon(found.get("species", "")) | found


PLAIN = HeaderFormat("plain", ">ID words", lambda header: False, lambda h: (first_word(h), {}))
HEADER_FORMATS = {
    each.name: each
    for each in (
        HeaderFormat(
            "sintax",
            ">ID;tax=k:Animalia,p:Arthropoda,g:Musca,s:Musca_domestica;",
            lambda header: bool(_SINTAX.search(header)),
            _sintax,
        ),
        HeaderFormat(
            "midori2",
            ">ID###root_1;Eukaryota_2759;Arthropoda_6656;...;Musca domestica_7370",
            lambda header: bool(_MIDORI.search(header)) and header.count(";") >= 2,
            _midori,
        ),
        HeaderFormat(
            "dada2",
            ">Animalia;Arthropoda;Insecta;Diptera;Muscidae;Musca;Musca domestica;",
            _is_lineage_alone,
            _lineage_alone,
        ),
        HeaderFormat(
            "lineage",
            ">ID k__Animalia;p__Arthropoda;...;s__Musca domestica",
            _is_id_and_lineage,
            _id_and_lineage,
        ),
        HeaderFormat(
            "bold",
            ">ID|Musca domestica|COI-5P|ACCESSION",
            lambda header: any(
                _MARKER.match(field) or _BIN.match(field) or _BINOMIAL.match(field)
                for field in map(str.strip, header.split("|")[1:])
            ),
            _bold,
        ),
        HeaderFormat(
            "obitools",
            ">ID count=1; species_name=Musca domestica; taxid=7370;",
            lambda header: bool(_OBITOOLS.search(header)),
            _obitools,
        ),
        HeaderFormat("genbank", ">KJ123456.1 Musca domestica voucher ...", _is_genbank, _species),
        HeaderFormat(
            "species",
            ">ID Musca domestica",
            lambda header: bool(_SPECIES_ALONE.match(header)),
            _species,
        ),
        PLAIN,
    )
}
