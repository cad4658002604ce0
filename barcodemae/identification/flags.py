"""What is suspicious about a query: short, unknown sites, stop codons, indels, chimeras, copies."""

from __future__ import annotations

import numpy as np

from barcodemae.identification import bits
from barcodemae.identification.search import shared
from grid_barcodemae import Placements

SHORT, MANY_UNKNOWN = 200, 0.05  # sites; share of the stretch that a barcode covers
_FRAME = 1  # the grid's second site is the first of a codon
# Mitochondrial genetic codes (NCBI) of the phyla that do not use the invertebrates'.
_TABLES = {
    **dict.fromkeys(("Chordata",), 2),
    **dict.fromkeys(("Cnidaria", "Porifera", "Ctenophora", "Placozoa"), 4),
    **dict.fromkeys(("Echinodermata", "Platyhelminthes"), 9),
}
_INVERTEBRATES = 5
_LOOK = 0.97  # identity with the nearest reference above which nothing is taken for a chimera
_GAIN = 0.03  # by which both halves have to be nearer to references of their own
_HALVES = (slice(0, 5), slice(5, bits.WORDS))  # words of 64 sites
_LEAST_OF_HALF = 150  # sites


def spans(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last known site (n,) each of codes (n, sites); 0 and -1 without any."""
    known = codes < 4
    any_known = known.any(axis=1)
    first = np.where(any_known, known.argmax(axis=1), 0)
    last = np.where(any_known, codes.shape[1] - 1 - known[:, ::-1].argmax(axis=1), -1)
    return first, last


def stop_codons(codes: np.ndarray, phyla: np.ndarray) -> np.ndarray:
    """(n,) stop codons in the frame of the grid, by the genetic code of each phylum (n,)."""
    from Bio.Data.CodonTable import unambiguous_dna_by_id

    usable = (codes.shape[1] - _FRAME) // 3 * 3
    codons = codes[:, _FRAME : _FRAME + usable].reshape(len(codes), -1, 3).astype(np.int16)
    numbers = np.where((codons < 4).all(axis=2), codons @ np.array([16, 4, 1], np.int16), -1)
    counts = np.zeros(len(codes), dtype=np.int64)
    tables = np.array([_TABLES.get(phylum, _INVERTEBRATES) for phylum in phyla])
    for table in np.unique(tables):
        rows = tables == table
        stops = [
            sum("ACGT".index(letter) * 4 ** (2 - place) for place, letter in enumerate(codon))
            for codon in unambiguous_dna_by_id[int(table)].stop_codons
        ]
        counts[rows] = np.isin(numbers[rows], stops).sum(axis=1)
    return counts


def chimeras(
    planes: np.ndarray,
    identities: np.ndarray,
    places: np.ndarray,
    references: np.ndarray,
    families: np.ndarray,
) -> list[str]:
    """For each of n queries "FAMILY / FAMILY" where its halves name different ones, else "".

    Args:
        planes: (n, 3, words) of the queries.
        identities: (n,) highest with any reference.
        places: (n, k) of the references nearest to each.
        references: (m, 3, words).
        families: (m,) names, "" where missing.
    """
    found = [""] * len(planes)
    doubtful = np.flatnonzero((identities > 0) & (identities < _LOOK))
    nearer = np.zeros(len(doubtful), dtype=bool)
    for words in _HALVES:  # a parent is among the candidates, and nearer in its own half
        part = planes[doubtful][..., words], references[..., words], places[doubtful]
        equal, common = bits.compare_at(*part)
        share = np.where(common >= _LEAST_OF_HALF, equal / np.maximum(common, 1), 0)
        nearer |= share.max(axis=1) >= identities[doubtful] + _GAIN
    for row in doubtful[nearer]:
        named = [
            _nearest_family(
                planes[row][:, words], references[..., words], identities[row], families
            )
            for words in _HALVES
        ]
        if all(named) and named[0] != named[1]:
            found[row] = " / ".join(named)
    return found


def _nearest_family(query, references, identity: float, families: np.ndarray) -> str:
    """The family of the reference nearest to a half; "" if it is not clearly nearer than whole."""
    at = int(shared(query[None], references).argmax())
    equal, common = bits.compare(query, references[at])
    clear = common >= _LEAST_OF_HALF and equal / common >= identity + _GAIN
    return families[at] if clear else ""


def repeats(planes: np.ndarray, ids: list[str]) -> list[str]:
    """For each of n queries the id of an earlier one with the same sites; "" if there is none."""
    first: dict[bytes, str] = {}
    return [
        "" if (known := first.setdefault(row.tobytes(), name)) == name else known
        for row, name in zip(planes, ids, strict=True)
    ]


def describe(codes: np.ndarray, placements: Placements, phyla: np.ndarray) -> list[list[str]]:
    """The flags of n queries that can be read off the grid alone."""
    first, last = spans(codes)
    known = (codes < 4).sum(axis=1)
    unknown = last - first + 1 - known
    stops = stop_codons(codes, phyla)
    flags: list[list[str]] = []
    for row in range(len(codes)):
        found = []
        if placements.strand[row] < 0:
            found.append("reversed")
        if placements.placed[row] and known[row] < SHORT:
            found.append(f"short overlap ({known[row]} sites)")
        if unknown[row] > MANY_UNKNOWN * max(last[row] - first[row] + 1, 1):
            found.append(f"many N ({unknown[row]})")
        if placements.breaks[row]:
            found.append(f"indel suspected (site {placements.break_at[row] + 1})")
        if stops[row]:
            found.append(f"stop codon ({stops[row]})")
        flags.append(found)
    return flags
