"""What is suspicious about a barcode: short, unknown sites, errors, chimeras, copies.

Errors are what `barcodemae check` says of those that the grid finds suspicious: a break or a stop
codon. The profile HMM takes some five milliseconds a barcode, the grid a twentieth of one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from barcodemae.checking.stops import FIRST_CODON
from barcodemae.checking.stops import stop_codons as stops_of
from barcodemae.identification import bits
from barcodemae.identification.search import nearest_by_identity
from grid_barcodemae import Placements

if TYPE_CHECKING:
    from barcodemae.checking.checker import Checked
    from barcodemae.identification.evidence import Candidates

SHORT, MANY_UNKNOWN = 200, 0.05  # sites; share of the stretch that a barcode covers
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
    usable = (codes.shape[1] - FIRST_CODON) // 3 * 3
    codons = codes[:, FIRST_CODON : FIRST_CODON + usable].reshape(len(codes), -1, 3)
    numbers = codons.astype(np.int16) @ np.array([25, 5, 1], np.int16)
    counts = np.zeros(len(codes), dtype=np.int64)
    for phylum in np.unique(phyla):
        rows = phyla == phylum
        counts[rows] = np.isin(numbers[rows], stops_of(phylum)).sum(axis=1)
    return counts


def chimeras(
    planes: np.ndarray, candidates: Candidates, references: np.ndarray, families: np.ndarray
) -> list[str]:
    """For each of n queries "FAMILY / FAMILY" where its halves name different ones, else "".

    Args:
        planes: (n, 3, words) of the queries.
        candidates: the references nearest to each.
        references: (m, 3, words).
        families: (m,) names, "" where missing.
    """
    found = [""] * len(planes)
    identities = candidates.identities.max(axis=1)
    doubtful = np.flatnonzero((identities > 0) & (identities < _LOOK))
    nearer = np.zeros(len(doubtful), dtype=bool)
    places, shared = candidates.places[doubtful], candidates.common[doubtful]
    whole = np.rint(candidates.identities[doubtful] * shared), shared
    half = bits.compare_at(planes[doubtful], references, places, _HALVES[0])
    other = (each - mine for each, mine in zip(whole, half, strict=True))
    for equal, common in (half, other):  # a parent is a candidate, and nearer in its own half
        share = np.where(common >= _LEAST_OF_HALF, equal / np.maximum(common, 1), 0)
        nearer |= share.max(axis=1) >= identities[doubtful] + _GAIN
    rows = doubtful[nearer]
    parents = []
    for words in _HALVES:
        named = _nearest_families(planes[rows], references, words, identities[rows], families)
        parents.append(dict(zip(rows.tolist(), named, strict=True)))
        rows = rows[named != ""]
    for row in rows.tolist():
        first, second = (each[row] for each in parents)
        if first != second:
            found[row] = f"{first} / {second}"
    return found


def _nearest_families(planes, references, words: slice, identities, families):
    """(n,) the families of the references nearest to n queries in some words.

    "" for one that is not clearly nearer to it there than the whole is to any.
    """
    if not len(planes):
        return np.zeros(0, dtype=object)
    at = nearest_by_identity(planes[..., words], references[..., words], 1)
    equal, common = bits.compare_at(planes, references, at, words)
    share = np.where(common >= _LEAST_OF_HALF, equal / np.maximum(common, 1), 0)[:, 0]
    return np.where(share >= identities + _GAIN, families[at[:, 0]], "")


def repeats(planes: np.ndarray, ids: list[str], seen: dict[bytes, str]) -> list[str]:
    """For each of n queries the id of an earlier one with the same sites; "" if there is none.

    `seen` holds the earlier ones, by the digest of their sites; these are added to it.
    """
    digests = (hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in planes)
    return [
        "" if (known := seen.setdefault(digest, name)) == name else known
        for digest, name in zip(digests, ids, strict=True)
    ]


def describe(
    codes: np.ndarray,
    placements: Placements,
    phyla: np.ndarray,
    barcodes: Sequence[str],
    tagger=None,
) -> list[list[str]]:
    """The flags of n barcodes that need no reference.

    Args:
        codes, placements: of `Grid.lay(barcodes)`.
        phyla: (n,) for the genetic code, "" where unknown.
        tagger: a `checking.tagging.Tagger`, whose edit tags speak too; None: none do.
    """
    first, last = spans(codes)
    known = (codes < 4).sum(axis=1)
    unknown = last - first + 1 - known
    wrong = errors(codes, placements, phyla, barcodes, tagger)
    flags: list[list[str]] = []
    for row in range(len(codes)):
        found = []
        if placements.strand[row] < 0:
            found.append("reversed")
        if placements.placed[row] and known[row] < SHORT:
            found.append(f"short overlap ({known[row]} sites)")
        if unknown[row] > MANY_UNKNOWN * max(last[row] - first[row] + 1, 1):
            found.append(f"many N ({unknown[row]})")
        flags.append(found + wrong.get(row, []))
    return flags


def errors(
    codes: np.ndarray,
    placements: Placements,
    phyla: np.ndarray,
    barcodes: Sequence[str],
    tagger=None,
) -> dict[int, list[str]]:
    """Row -> what `barcodemae check` finds wrong with a barcode; rows without are left out.

    Looked at are those in which the grid found a break or a stop codon; all of them where the
    edit tags count by themselves.
    """
    doubtful = placements.placed & ((placements.breaks > 0) | (stop_codons(codes, phyla) > 0))
    if tagger is not None and tagger.speaks_alone:
        doubtful = placements.placed
    rows = np.flatnonzero(doubtful).tolist()
    if not rows:
        return {}
    try:
        from barcodemae.checking.checker import check  # loads the profile
    except ModuleNotFoundError:  # pyhmmer, of which there is none for Windows
        return {row: ["not checked (pyhmmer is not installed)"] for row in rows}

    checked = check([barcodes[row] for row in rows], [phyla[row] or None for row in rows], tagger)
    said = {row: _told(each) for row, each in zip(rows, checked, strict=True)}
    return {row: told for row, told in said.items() if told}


def _told(checked: Checked) -> list[str]:
    """The problems of a barcode, each kind once; places count from 1, on the grid."""
    kinds: dict[str, list[int]] = {}
    for problem in checked.problems:
        kinds.setdefault(problem.kind, []).append(problem.column + 1)
    told = []
    for kind, sites in kinds.items():
        if kind == "stop codon":
            told.append(f"stop codon ({len(sites)})")
        else:
            name = kind.removesuffix(" suspected")
            told.append(f"{name} suspected (site {', '.join(map(str, sites))})")
    if checked.verdict == "NUMT suspected":
        told.append("NUMT suspected")
    return told
