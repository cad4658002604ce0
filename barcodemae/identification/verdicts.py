"""A verdict for each query: known species, new species, genus not in the library, no call, no COI.

The probabilities decide. The deepest rank whose probability reaches the target is called, and the
taxa of all ranks come from the lineage of one reference, so they agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from barcodemae.data.grid import coi_grid
from barcodemae.identification import answers as named
from barcodemae.identification import bits, flags, vectors
from barcodemae.identification.answers import RANKS, Answers
from barcodemae.identification.confidence import TARGET, check_target
from barcodemae.identification.evidence import CALLED, Candidates, Evidence, Surroundings, weigh
from barcodemae.identification.library import Library

MIN_OVERLAP = 100  # sites, below which nothing is called
SHOWN = 10  # neighbours reported for each query
_WHOLE = 500  # sites of a query that is compared with whole references
_STEP = 16  # sites to which the windows of fragments are rounded, so that more share one
_TIE = 1e-6
_SHARED = 0.99  # identity from which species with equal evidence share a barcode
_ONE_SPECIES = 0.98  # identity that barcodes of one species mostly have (Hebert et al. 2003)
_MOST_NAMED = 6  # species that are named as ambiguous


def identify(
    library: Library,
    ids: Sequence[str],
    barcodes: Sequence[str],
    target: float = TARGET,
    min_overlap: int = MIN_OVERLAP,
    tagger=None,
    seen: dict[bytes, str] | None = None,
) -> Answers:
    """Answer n queries, of either strand, wherever they begin and whatever lies around them.

    Args:
        library: opened.
        ids: n of them.
        barcodes: n texts.
        target: probability that a rank must reach to be called.
        min_overlap: sites on the grid that a query must have to be called.
        tagger: of edit tags, for the flags: see `flags.describe`.
        seen: barcodes that were met before, see `flags.repeats`; default: none.

    Raises:
        BarcodeMAEError: the target is no probability, or as `Library.encoder`.
    """
    check_target(target)
    codes, placements = coi_grid().lay(barcodes)
    planes = bits.pack(codes)
    sites = (codes < 4).sum(axis=1)
    usable = placements.placed & (sites > 0)
    candidates = _candidates(library, codes, planes, usable)
    around = Surroundings(candidates, planes, library.planes)
    evidence = {rank: weigh(candidates, library.taxa, rank, around) for rank in CALLED}
    probabilities = _probabilities(library, evidence, sites)
    table = _table(library, ids, candidates, evidence, probabilities)
    table["strand"] = np.where(placements.strand < 0, "-", "+")
    table["start"] = placements.start
    table["length"] = sites
    _call(table, library, candidates, evidence, probabilities["right"], target)
    _refuse(table, usable, sites >= min_overlap, candidates)
    phyla = library.labels("phylum", candidates.places[:, 0])
    described = flags.describe(codes, placements, phyla, barcodes, tagger)
    copies = flags.repeats(planes, list(ids), {} if seen is None else seen)
    table["flags"] = _flags(library, planes, candidates, described, copies, table)
    letters = vectors.texts(codes)
    return Answers(
        table[list(named.COLUMNS)],
        partial(_neighbours, library, list(ids), *_shown(candidates)),
        pd.DataFrame({"id": list(ids), "barcode": letters}),
        library.card,
    )


def _candidates(library: Library, codes, planes, usable: np.ndarray) -> Candidates:
    """Those of n queries; of equal ones the first is searched for all."""
    whole = np.ascontiguousarray(planes).reshape(len(planes), -1)
    as_bytes = whole.view(f"V{8 * whole.shape[1]}").ravel()
    _, rows, inverse = np.unique(as_bytes, return_index=True, return_inverse=True)
    found = _searched(library, codes[rows], planes[rows], usable[rows])
    return Candidates(*(array[inverse] for array in vars(found).values()))


def _searched(library: Library, codes, planes, usable: np.ndarray) -> Candidates:
    """Of whole queries by stored vectors, of fragments window by window."""
    first, last = flags.spans(codes)
    is_whole = usable & (last - first + 1 >= _WHOLE)
    parts, order = [], []
    if len(whole := np.flatnonzero(is_whole)):
        order.append(whole)
        parts.append(library.nearest(planes[whole], library.embed(codes[whole])))
    cut = np.flatnonzero(usable & ~is_whole)
    sharing = library.sharing(planes[cut])
    windows = np.stack([first[cut] // _STEP * _STEP, -(-(last[cut] + 1) // _STEP) * _STEP], axis=1)
    for window in np.unique(windows, axis=0):
        inside = (windows == window).all(axis=1)
        rows = cut[inside]
        sites = np.zeros(bits.SITES, dtype=bool)
        sites[slice(*window)] = True
        order.append(rows)
        embedded = library.embed(codes[rows])
        parts.append(library.nearest_in_window(planes[rows], embedded, sharing[inside], sites))
    return _scattered(parts, order, len(codes))


def _scattered(parts: list[Candidates], order: list[np.ndarray], count: int) -> Candidates:
    """The parts at their rows; rows of none have no candidates."""
    width = parts[0].places.shape[1] if parts else 1
    whole = Candidates(
        np.full((count, width), -1, dtype=np.int64),
        np.full((count, width), -np.inf, dtype=np.float32),
        np.zeros((count, width), dtype=np.float32),
        np.zeros((count, width), dtype=np.int32),
    )
    for part, rows in zip(parts, order, strict=True):
        for name in vars(whole):
            getattr(whole, name)[rows] = getattr(part, name)
    return whole


def _probabilities(library: Library, evidence: dict[str, Evidence], sites: np.ndarray) -> dict:
    """p_species_known, p_genus, p_family (n,), and "right": that the nearest species is right.

    A known species lies in a known genus, and that in a known family: none is less probable. NaN
    where no candidate has a label at the rank.
    """
    estimate = library.calibration.probability
    known = estimate("known", evidence["species"].features, sites)
    right = estimate("species", evidence["species"].features, sites)
    genus = estimate("genus", evidence["genus"].features, sites)
    family = estimate("family", evidence["family"].features, sites)
    right = np.minimum(right, known)
    genus = np.maximum(genus, right)
    family = np.maximum(family, genus)
    for rank, values in (("species", known), ("genus", genus), ("family", family)):
        values[evidence[rank].taxon < 0] = np.nan  # nothing near has a label at this rank
    return {"p_species_known": known, "p_genus": genus, "p_family": family, "right": right}


def _table(library, ids, candidates, evidence, probabilities) -> pd.DataFrame:
    nearest = candidates.places[:, 0]
    found = nearest >= 0
    table = pd.DataFrame({"id": list(ids)}, dtype=object)
    for name in named.PROBABILITIES:
        table[name] = probabilities[name]
    table["similarity"] = np.where(found, candidates.similarities[:, 0], 0)
    table["identity"] = np.where(found, candidates.identities[:, 0], 0)
    table["nearest_id"] = library.ids(nearest)
    table["nearest_species"] = _names(library, "species", _species(library, nearest))
    table["runner_up_genus"] = _names(library, "genus", evidence["genus"].runner_up)
    return table


def _species(library: Library, places: np.ndarray) -> np.ndarray:
    """Codes of the species of references, -1 where there is none; of the shape of `places`."""
    return np.where(places >= 0, library.taxa.codes["species"][np.maximum(places, 0)], -1)


def _names(library: Library, rank: str, taxon: np.ndarray) -> np.ndarray:
    names = library.taxa.names[rank]
    return np.where(taxon < 0, "", names[np.maximum(taxon, 0)])


def _call(table, library, candidates, evidence, right: np.ndarray, target: float) -> None:
    """Fill in the rank that is called, its lineage, the verdict and what is ambiguous."""
    shared = _sharing(library, candidates, evidence["species"])
    several = np.array([len(names) > 1 for names in shared], dtype=bool)
    certain = (right >= target) & ~several
    called = np.full(len(table), "", dtype=object)
    source = np.full(len(table), -1)
    for rank, reached in (
        ("family", table["p_family"] >= target),
        ("genus", table["p_genus"] >= target),
        ("species", certain),
    ):
        rows = np.flatnonzero(reached & (evidence[rank].nearest >= 0))
        called[rows] = rank
        source[rows] = candidates.places[rows, evidence[rank].nearest[rows]]
    depth = np.array([RANKS.index(rank) if rank else -1 for rank in called])
    for place, rank in enumerate(RANKS):
        table[rank] = np.where(place <= depth, library.labels(rank, source), "")
    table["rank_called"] = called
    known = (table["p_species_known"].to_numpy() >= 0.5) | several | (called == "species")
    verdict = np.where(known, named.KNOWN, named.NEW).astype(object)
    genus_is_new = (called == "family") & (table["p_genus"].to_numpy() < 0.5) & ~known
    verdict[genus_is_new] = named.NEW_GENUS
    no_labels = table["p_genus"].isna() & table["p_species_known"].isna()
    verdict[(called == "") | no_labels] = named.NO_CALL
    table["verdict"] = verdict
    unsure = known & (called != "species")
    table["ambiguous_with"] = [
        "; ".join(names) if len(names) > 1 else _pair(row, library, evidence["species"], unsure)
        for row, names in enumerate(shared)
    ]


def _pair(row: int, library: Library, species: Evidence, unsure: np.ndarray) -> str:
    """The two nearest species of a query that is of a known one, but not certainly which."""
    if not unsure[row] or species.runner_up[row] < 0:
        return ""
    names = library.taxa.names["species"]
    return f"{names[species.taxon[row]]}; {names[species.runner_up[row]]}"


def _sharing(library: Library, candidates: Candidates, species: Evidence) -> list[list[str]]:
    """For each query the species that have the barcode nearest to it, nearest first."""
    codes = _species(library, candidates.places)
    best = np.where(codes >= 0, candidates.identities, -1).max(axis=1)
    tied = (codes >= 0) & (candidates.identities >= best[:, None] - _TIE)
    tied &= (best >= _SHARED)[:, None]
    names = library.taxa.names["species"]
    found: list[list[str]] = [[] for _ in codes]
    several = tied.sum(axis=1) > 1
    for row in np.flatnonzero(several):
        distinct = dict.fromkeys(codes[row][tied[row]].tolist())
        found[row] = [names[code] for code in list(distinct)[:_MOST_NAMED]]
    return found


def _refuse(table: pd.DataFrame, usable: np.ndarray, enough: np.ndarray, candidates) -> None:
    """Take the call back where there is no COI, too little of it, or nothing alike."""
    alike = np.isfinite(candidates.similarities[:, 0]) & (candidates.similarities[:, 0] > 0)
    none = ~(usable & enough & alike)
    for name in (*RANKS, "rank_called", "ambiguous_with"):
        table.loc[none, name] = ""
    table.loc[none, "verdict"] = named.NO_CALL
    table.loc[~usable, "verdict"] = named.NOT_COI
    unseen = ~usable
    table.loc[unseen, [*named.PROBABILITIES, "similarity", "identity"]] = np.nan
    table.loc[unseen, ["nearest_id", "nearest_species", "runner_up_genus"]] = ""
    table.loc[unseen, "strand"] = ""


def _flags(library, planes, candidates, described, copies: list[str], table) -> list[str]:
    known = (table["verdict"] != named.NOT_COI).to_numpy()
    mixed = [""] * len(table)
    if known.any():
        mixed = flags.chimeras(planes, candidates, library.planes, library.families)
    unnamed = (table["nearest_species"] == "") & (table["identity"] >= _ONE_SPECIES)
    unnamed = unnamed.to_numpy() & known
    for row, (halves, first) in enumerate(zip(mixed, copies, strict=True)):
        if unnamed[row]:
            described[row].append("like a reference without a species")
        if halves:
            described[row].append(f"chimera suspected ({halves})")
        if first and known[row]:
            described[row].append(f"same barcode as {first}")
    return ["; ".join(each) for each in described]


def _shown(candidates: Candidates) -> list[np.ndarray]:
    """Places, similarities and identities of the neighbours that are reported."""
    found = candidates.places, candidates.similarities, candidates.identities
    return [each[:, :SHOWN].copy() for each in found]


def _neighbours(library: Library, ids: Sequence[str], places, similarities, identities):
    """The table of them: see `Answers`."""
    rows, columns = np.nonzero(places >= 0)
    at = places[rows, columns]
    return pd.DataFrame(
        {
            "id": np.asarray(ids, dtype=object)[rows],
            "position": columns + 1,
            "nearest_id": library.ids(at),
            **{rank: library.labels(rank, at) for rank in RANKS},
            "similarity": similarities[rows, columns],
            "identity": identities[rows, columns],
            "barcode": vectors.texts(bits.unpack(library.planes[at])) if len(at) else [],
        }
    )
