"""Calibration of a library by itself: records named by the rest, with their own kin left out.

A query is of a species that the library has, of a new species, of a new genus or of a new family.
Each is played with the library's own records: the record alone is left out, or all of its species,
genus or family. Where the metric was learned from these very labels it would flatter: for a third
of the species at a time it is learned anew without them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from barcodemae.identification import bits, vectors
from barcodemae.identification.confidence import Calibration, Curves, reliability
from barcodemae.identification.evidence import (
    CANDIDATES,
    FEATURES,
    IDENTITY_FEATURES,
    Evidence,
    Surroundings,
    Taxa,
    weigh,
)
from barcodemae.identification.search import compared, in_order, shared

# What is left out -> the share of queries that it stands for. A choice, not a measurement: most
# barcodes that a lab reads are of species in its library, and few of genera that it lacks.
SCENARIOS = {"record": 0.60, "species": 0.34, "genus": 0.05, "family": 0.01}
OUTCOMES = {"known": "species", "species": "species", "genus": "genus", "family": "family"}
# Stretches of the grid at which the probabilities are calibrated: the last 313 sites are what
# Leray's primers amplify; the others are short and shorter mini-barcodes.
WINDOWS = {130: slice(0, 130), 200: slice(229, 429), 313: slice(345, 658), 658: slice(0, 658)}
_WHOLE, _CUT = 3000, 500  # records tried at whole length, and cut
_PAIRS = 5 * 10**7  # similarities held at a time, which may mean fewer records
_FEWEST = 100  # records with a species, without which nothing is tried
_FOLDS = 3
_PRESENT = 0.8  # share of a stretch's sites that a record must have to be tried there
_MOST_TO_FIT = 60_000  # records from which a metric is learned
_OF_SPECIES = ("identity", "similarity", "overlap", "isolation", "spread", "nearness", "excess")
_OF_HIGHER = (*FEATURES[:7], "isolation", "nearness")
# The features that each outcome is judged by. Gaps to the next species of a library are no guide to
# a species that it lacks; the record that is left out is missing among its own kin, which a query
# is not.
COLUMNS = {
    outcome: tuple(FEATURES.index(name) for name in names)
    for outcome, names in {
        "known": _OF_SPECIES,
        "species": (*_OF_SPECIES, "identity_gap"),
        "genus": _OF_HIGHER,
        "family": _OF_HIGHER,
    }.items()
}


@dataclass
class Source:
    """What is calibrated: n records as they will be searched.

    Attributes:
        planes: (n, 3, words).
        taxa: their labels.
        genera: (n,) names, "" where missing.
        embed: codes (m, sites) -> the encoder's vectors (m, dim).
        inference: of the map.
        shipped: whether the map is pooled with the scatter in the package.
    """

    planes: np.ndarray
    taxa: Taxa
    genera: np.ndarray
    embed: Callable[[np.ndarray], np.ndarray]
    inference: str
    shipped: bool


@dataclass
class _Trials:
    """Queries of one scenario: their rows among the records, and what the others say of them."""

    rows: np.ndarray
    evidence: dict[str, Evidence]


def fitted_map(source: Source, embedded: np.ndarray, rows: np.ndarray) -> vectors.LinearMap | None:
    """The library's map, learned from the records `rows` of `embedded` (n, dim)."""
    rng = np.random.default_rng(0)
    if len(rows) > _MOST_TO_FIT:
        rows = np.sort(rng.choice(rows, _MOST_TO_FIT, replace=False))
    return vectors.fit_map(
        source.inference, embedded[rows], source.genera[rows].astype(str), source.shipped
    )


def calibrate(
    source: Source,
    embedded: np.ndarray,
    columns: dict[str, tuple[int, ...]] = COLUMNS,
    say: Callable[[str], None] = lambda line: None,
) -> Calibration | None:
    """Fit the curves; None where the library is too small for that.

    Args:
        source: the records.
        embedded: (n, dim) their vectors, before the map.
        columns: the features that each outcome is judged by.
        say: called with a line before each stretch.
    """
    rng = np.random.default_rng(0)
    order = rng.permutation(len(source.planes))
    species = source.taxa.codes["species"]
    order = order[species[order] >= 0]
    if len(order) < _FEWEST:
        return None
    fold_of = rng.integers(0, _folds(source), len(source.taxa.names["species"]))
    folds = [np.flatnonzero(fold_of[species] == fold) for fold in range(_folds(source))]
    everything = np.arange(len(species))
    maps = []
    for fold in folds:
        if len(folds) > 1:
            say("learning the metric without a third of the species")
        kept = np.setdiff1d(everything, fold) if len(folds) > 1 else everything
        maps.append(fitted_map(source, embedded, kept))
    curves: dict[str, list[Curves]] = {outcome: [] for outcome in OUTCOMES}
    figures: dict = {}
    for sites, window in WINDOWS.items():
        say(f"calibrating at {sites} sites")
        tried = _WHOLE if sites == bits.SITES else _CUT
        chosen = order[: min(tried, max(_CUT, _PAIRS // len(species)))]
        parts = [
            _trials(source, embedded, each, np.intersect1d(chosen, fold), window)
            for each, fold in zip(maps, folds, strict=True)
        ]
        trials = {name: _gathered([part[name] for part in parts]) for name in SCENARIOS}
        fitted, figures = fit(source.taxa, trials, columns)
        if not fitted:
            return None
        for outcome, each in fitted.items():
            curves[outcome].append(each)
    return Calibration(list(WINDOWS), curves, "library", figures)


def identity_columns() -> dict[str, tuple[int, ...]]:
    """The features of `COLUMNS` that are the same for every encoder."""
    return {
        outcome: tuple(column for column in columns if column in IDENTITY_FEATURES)
        for outcome, columns in COLUMNS.items()
    }


def _folds(source: Source) -> int:
    return _FOLDS if source.inference == "metric" else 1


def _trials(source, embedded, each, rows, window: slice) -> dict[str, _Trials]:
    """Every scenario for the records `rows`, cut to a window, under a map."""
    inside = np.zeros(bits.SITES, dtype=bool)
    inside[window] = True
    planes = bits.masked(source.planes[rows], inside)
    # A record that has few sites in the window is no example of it.
    enough = np.bitwise_count(planes[:, 2]).sum(axis=1) >= _PRESENT * inside.sum()
    rows, planes = rows[enough], planes[enough]
    if not inside.all():
        embedded = source.embed(bits.unpack(bits.masked(source.planes, inside)))
    mapped = vectors.unit(embedded if each is None else each(embedded))
    if inside.all():
        scores = mapped[rows] @ mapped.T
    else:
        scores = shared(planes, source.planes)
        scores = np.where(scores == bits.NONE, np.float32(-np.inf), scores)
    found = {}
    for name in SCENARIOS:
        kept, blocked = _blocked(source.taxa, name, rows)
        allowed = np.where(blocked, -np.inf, scores[kept])
        places, values = _highest(allowed, min(CANDIDATES, len(mapped)))
        similarities = np.einsum("nk,nck->nc", mapped[rows[kept]], mapped[places])
        places = np.where(np.isfinite(values), places, -1)
        ordered = in_order(places, similarities)
        candidates = compared(planes[kept], source.planes, *ordered)
        around = Surroundings(candidates, planes[kept], source.planes)
        evidence = {
            rank: weigh(candidates, source.taxa, rank, around) for rank in OUTCOMES.values()
        }
        if name == "species":
            for each in evidence.values():
                _count_one_less(each, source.taxa, rows[kept], candidates)
        found[name] = _Trials(rows[kept], evidence)
    return found


def _highest(values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values (n, count) of the highest in each row, in no order."""
    if count < values.shape[1]:
        at = np.argpartition(values, -count, axis=1)[:, -count:]
    else:
        at = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return at, np.take_along_axis(values, at, axis=1)


def _count_one_less(evidence: Evidence, taxa: Taxa, rows: np.ndarray, candidates) -> None:
    """Take the species that is left out off the number of species in its genus."""
    nearest = candidates.places[np.arange(len(rows)), np.maximum(evidence.nearest, 0)]
    own = taxa.codes["genus"][rows]
    same = (taxa.codes["genus"][np.maximum(nearest, 0)] == own) & (own >= 0)
    fewer = np.log1p(taxa.species_of_genus[own[same]] - 1)
    evidence.features[same, FEATURES.index("species")] = fewer


def _blocked(taxa: Taxa, scenario: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of `rows` play a scenario, and (played, n) the records that are left out for each."""
    species, genus, family = (taxa.codes[rank] for rank in ("species", "genus", "family"))
    if scenario == "record":
        plays = np.bincount(species[species >= 0])[species[rows]] > 1
    elif scenario == "species":
        plays = (genus[rows] >= 0) & (taxa.species_of_genus[np.maximum(genus[rows], 0)] > 1)
    else:
        plays = (genus if scenario == "genus" else family)[rows] >= 0
    kept = np.flatnonzero(plays)
    rows = rows[kept]
    if scenario == "record":
        blocked = np.zeros((len(rows), len(species)), dtype=bool)
    else:
        codes = taxa.codes[scenario]
        blocked = codes[rows][:, None] == codes[None]
    blocked[np.arange(len(rows)), rows] = True
    return kept, blocked


def _gathered(parts: list[_Trials]) -> _Trials:
    evidence = {
        rank: Evidence(
            *(
                np.concatenate([getattr(part.evidence[rank], each.name) for part in parts])
                for each in fields(Evidence)
            )
        )
        for rank in set(OUTCOMES.values())
    }
    return _Trials(np.concatenate([part.rows for part in parts]), evidence)


def fit(
    taxa: Taxa, trials: dict[str, _Trials], columns: dict[str, tuple[int, ...]]
) -> tuple[dict[str, Curves], dict]:
    """Curves for every outcome, and their figures; no curves where the trials are too few."""
    played = {name: trial for name, trial in trials.items() if len(trial.rows)}
    if not played:
        return {}, {}
    rows = np.concatenate([trial.rows for trial in played.values()])
    names = np.repeat(list(played), [len(trial.rows) for trial in played.values()])
    curves, figures = {}, {}
    for outcome, rank in OUTCOMES.items():
        evidence = [trial.evidence[rank] for trial in played.values()]
        # Whether the name of a record without a label is right cannot be told.
        told = taxa.codes[rank][rows] >= 0
        features = np.concatenate([each.features for each in evidence])[told]
        taxon = np.concatenate([each.taxon for each in evidence])[told]
        own, scenario = rows[told], names[told]
        each_name, which, count = np.unique(scenario, return_inverse=True, return_counts=True)
        share = np.array([SCENARIOS[name] for name in each_name]) / count
        weights = share[which] * len(own)
        right = scenario == "record" if outcome == "known" else taxon == taxa.codes[rank][own]
        groups = taxa.codes["genus"][own]
        fitted = Curves.fit(features, right & (taxon >= 0), weights, groups, columns[outcome])
        if fitted is None:
            return {}, {}
        curves[outcome] = fitted
        figures[outcome] = reliability(fitted.probability(features), right, weights)
    return curves, figures
