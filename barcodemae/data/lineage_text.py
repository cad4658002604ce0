"""A lineage written in one text, as headers and taxonomy files have it, taken apart into ranks."""

from __future__ import annotations

import re

from barcodemae.data.names import plain_name
from barcodemae.data.schemas import RANKS

# Domains (d) and strains (t) are no rank here.
_LETTERS = {rank[0]: rank for rank in RANKS if rank != "subfamily"}
_PREFIXED = re.compile(r"^\s*(sk|[dkpcofgst])(?:__|:)", re.I)
_ANY_PREFIX = re.compile(r"(?:^|[;,|\s=])\s*(?:sk|[dkpcofgs])(?:__|:)", re.I)
_ROOTS = frozenset(("root", "life", "cellular organisms", "all"))
_DOMAINS = frozenset(("eukaryota", "eukarya", "eukaryotes", "bacteria", "archaea", "viruses"))
_KINGDOMS = frozenset(("animalia", "metazoa", "fungi", "plantae", "viridiplantae", "protista"))
_KINGDOMS |= {"chromista", "protozoa"}
_BINOMIAL = re.compile(r"^([A-Z][a-z-]+)[ _](?:\([A-Z][a-z]+\)[ _])?[a-z]")
# What stands at n places where nothing else tells: DADA2, mothur and QIIME leave subfamilies out.
_LADDER = ("kingdom", "phylum", "class", "order", "family", "genus", "species")


def is_lineage(text: str) -> bool:
    """Whether a text looks like a lineage: ranks by prefix, or three names with semicolons, or
    fewer that begin with a kingdom or a domain."""
    if _ANY_PREFIX.search(text):
        return True
    return "=" not in text and (text.strip("; \t").count(";") >= 2 or begins_at_the_top(text))


def begins_at_the_top(text: str) -> bool:
    """Whether the first of names with semicolons is a kingdom or a domain."""
    name, semicolon, _ = text.partition(";")
    return bool(semicolon) and plain_name(name).lower() in _KINGDOMS | _DOMAINS


def lineage_of(text: str) -> dict[str, str]:
    """Names by rank of a lineage such as "k__Animalia; p__Arthropoda" (QIIME, SINTAX with colons),
    "Animalia;Arthropoda;Insecta" (DADA2, mothur) or "root_1;Eukaryota_2759;..." (MIDORI2).

    Prefixes, tax ids and bootstrap values come off. Without prefixes the places tell: counted from
    the species where the last name begins with the one before it, from the kingdom otherwise. Names
    that fill a gap ("s__", "order_Insecta_50557") are left to whoever knows placeholders.
    """
    separator = ";" if ";" in text else "," if "," in text else "|"
    fields = text.split(separator)
    while fields and not fields[-1].strip():
        fields.pop()
    if any(_PREFIXED.match(field) for field in fields):
        return _whole_species(_by_prefix(fields))
    return _whole_species(_by_place([plain_name(field) for field in fields]))


def _by_prefix(fields: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for field in fields:
        match = _PREFIXED.match(field)
        rank = _LETTERS.get(match.group(1).lower()) if match else None
        name = plain_name(field)
        if rank and name:
            found.setdefault(rank, name)
    return found


def _by_place(names: list[str]) -> dict[str, str]:
    while names and names[0].lower() in _ROOTS:
        names.pop(0)
    is_domain = bool(names) and names[0].lower() in _DOMAINS
    if is_domain and len(names) > 1 and names[1].lower() in _KINGDOMS:
        names.pop(0)  # a domain and a kingdom
        is_domain = False
    ladder: tuple[str, ...] = _LADDER
    if len(names) > 1 and _ends_in_species(names):
        ladder = _LADDER[-len(names) :]
        names = names[-len(_LADDER) :]
    elif names and not is_domain and names[0].lower() not in _KINGDOMS and len(names) < 6:
        ladder = _LADDER[1:]
    found = {rank: name for rank, name in zip(ladder, names, strict=False) if name}
    if is_domain and found.get("kingdom", "").lower() in _DOMAINS:
        del found["kingdom"]
    return found


def _ends_in_species(names: list[str]) -> bool:
    match = _BINOMIAL.match(names[-1])
    return match is not None and match.group(1) == names[-2].replace("_", " ").split(" ")[0]


def _whole_species(found: dict[str, str]) -> dict[str, str]:
    """With blanks for the underscores of a species, and its genus where it is an epithet alone."""
    if "species" in found:
        found["species"] = found["species"].replace("_", " ").strip()
        genus = found.get("genus")
        if genus and found["species"][:1].islower() and " " not in found["species"]:
            found["species"] = f"{genus} {found['species']}"
    return found
