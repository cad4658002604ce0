"""What the nearest references say of a query, in numbers from which probabilities are computed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from barcodemae.identification import bits
from barcodemae.identification.answers import RANKS

CANDIDATES = 96  # references looked at for each query
CALLED = ("species", "genus", "family")  # ranks that get a probability
FEATURES = (
    "identity",  # highest, with a reference of the taxon
    "identity_gap",  # to the highest of another taxon of the rank
    "similarity",  # as the two above, by cosine
    "similarity_gap",
    "kin",  # share of the ten nearest labelled references that are of the taxon
    "overlap",  # sites that query and nearest reference have in common
    "species",  # log of the species in the nearest reference's genus
    # How far the query stands from the nearest reference (one less the identity), measured by what
    # lies around that reference, on the query's own sites:
    "isolation",  # distance of the reference to the nearest one of another taxon
    "spread",  # its mean distance to others of its taxon
    "nearness",  # the query's distance as a share of itself and the isolation
    "excess",  # the query's distance less the spread
)
IDENTITY_FEATURES = (0, 1, 4, 5, 6, 7, 8, 9, 10)  # those that are the same for every encoder
_REMOTE = 0.3  # the isolation where no candidate is of another taxon
_ALONE = -0.01  # the spread where no candidate is of the same taxon
_LEAST = 1e-3  # of the sum by which nearness is divided
_NEAREST = 10


@dataclass
class Taxa:
    """The labels of m references as numbers.

    Attributes:
        names: rank -> sorted names of its taxa.
        codes: rank -> (m,) int32, the place in `names`; -1 where the label is missing.
        species_of_genus: (genera,) species in each genus.
    """

    names: dict[str, np.ndarray]
    codes: dict[str, np.ndarray]
    species_of_genus: np.ndarray = field(init=False)

    @classmethod
    def of(cls, table: pa.Table, open_names: bool = False) -> Taxa:
        """From the columns of a library's records.

        Args:
            table: labels as dictionaries, "" where missing.
            open_names: whether names such as "Pieris sp." count as species.
        """
        names, codes = {}, {}
        for rank in RANKS:
            column = table[rank].chunk(0)
            names[rank] = np.array(column.dictionary.to_pylist(), dtype=object)
            numbers = column.indices.to_numpy().astype(np.int32)
            codes[rank] = np.where((names[rank] == "")[numbers], -1, numbers)
        if not open_names:
            marks = table["open_name"].chunk(0)
            named = np.array(marks.dictionary.to_pylist(), dtype=object) == ""
            is_open = ~named[marks.indices.to_numpy()]
            codes["species"] = np.where(is_open, -1, codes["species"])
        return cls(names, codes)

    def __post_init__(self):
        genus, species = self.codes["genus"], self.codes["species"]
        both = (genus >= 0) & (species >= 0)
        pairs = np.unique(genus[both].astype(np.int64) << 32 | species[both])
        self.species_of_genus = np.bincount(pairs >> 32, minlength=len(self.names["genus"]))


@dataclass
class Candidates:
    """The references nearest to n queries, nearest first; -1 and -inf where there are fewer.

    Attributes:
        places: (n, k) numbers of references.
        similarities: (n, k) cosines, falling.
        identities: (n, k) share of equal nucleotides on the common sites; 0 without any.
        common: (n, k) common sites.
    """

    places: np.ndarray
    similarities: np.ndarray
    identities: np.ndarray
    common: np.ndarray


class Surroundings:
    """How far the candidates of n queries are from one of them, on the queries' own sites.

    The nearest labelled candidate is mostly the same at all ranks: only what differs is compared.

    Args:
        candidates: of the queries.
        planes: (n, 3, words) of the queries.
        references: (m, 3, words).
    """

    def __init__(self, candidates: Candidates, planes: np.ndarray, references: np.ndarray):
        self._places, self._known, self._references = candidates.places, planes[:, 2], references
        self._column = np.full(len(planes), -1)
        self._apart = np.zeros(candidates.places.shape)
        self._compare = np.zeros(candidates.places.shape, dtype=bool)

    def of(self, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances (n, k) from the candidates in the columns (n,); whether they have any."""
        rows = np.flatnonzero(column != self._column)
        places = self._places[rows]
        centre = places[np.arange(len(rows)), column[rows]]
        theirs = self._references[np.maximum(centre, 0)].copy()
        theirs[:, 2] &= self._known[rows]
        equal, common = bits.compare_at(theirs, self._references, places)
        self._apart[rows], self._compare[rows] = 1 - equal / np.maximum(common, 1), common > 0
        self._column = column
        return self._apart, self._compare


@dataclass
class Evidence:
    """For one rank and n queries.

    Attributes:
        nearest: (n,) the column, among the candidates, of the nearest labelled one; -1 if none is.
        taxon: (n,) its taxon, -1 if there is none.
        runner_up: (n,) the nearest taxon beside it, -1 if there is none.
        features: (n, FEATURES) float32.
    """

    nearest: np.ndarray
    taxon: np.ndarray
    runner_up: np.ndarray
    features: np.ndarray


def weigh(candidates: Candidates, taxa: Taxa, rank: str, surroundings: Surroundings) -> Evidence:
    """What the candidates of n queries say at one rank."""
    places = candidates.places
    present = places >= 0
    codes = np.where(present, taxa.codes[rank][np.maximum(places, 0)], -1)
    labelled = codes >= 0
    rows = np.arange(len(places))
    nearest = np.where(labelled.any(axis=1), labelled.argmax(axis=1), -1)
    taxon = np.where(nearest >= 0, codes[rows, nearest], -1)
    same = labelled & (codes == taxon[:, None])
    other = labelled & ~same
    runner = np.where(other.any(axis=1), codes[rows, other.argmax(axis=1)], -1)
    similarity, second = _best(candidates.similarities, same, other, present)
    identity, second_identity = _best(candidates.identities, same, other, present)
    among = labelled & (np.cumsum(labelled, axis=1) <= _NEAREST)
    kin = (same & among).sum(axis=1) / np.maximum(among.sum(axis=1), 1)
    genus = taxa.codes["genus"][np.maximum(places[rows, np.maximum(nearest, 0)], 0)]
    species = np.where(genus >= 0, taxa.species_of_genus[np.maximum(genus, 0)], 0)
    features = np.stack(
        [
            *(identity, identity - second_identity, similarity, similarity - second, kin),
            candidates.common[rows, np.maximum(nearest, 0)],
            np.log1p(species),
            *_around(surroundings, nearest, identity, same, other),
        ],
        axis=1,
    )
    features[nearest < 0] = 0
    return Evidence(nearest, taxon, runner, features.astype(np.float32))


def _around(surroundings: Surroundings, nearest, identity, same, other):
    """Isolation, spread, nearness and excess, each (n,)."""
    rows, column = np.arange(len(nearest)), np.maximum(nearest, 0)
    apart, compare = surroundings.of(column)
    kin = same & compare
    kin[rows, column] = False
    isolation = np.where(other & compare, apart, _REMOTE).min(axis=1, initial=_REMOTE)
    count = kin.sum(axis=1)
    mean = np.where(kin, apart, 0).sum(axis=1) / np.maximum(count, 1)
    spread = np.where(count > 0, mean, _ALONE)
    distance = 1 - identity
    nearness = distance / (distance + isolation + _LEAST)
    return isolation, spread, nearness, distance - np.maximum(spread, 0)


def _best(values, same, other, present) -> tuple[np.ndarray, np.ndarray]:
    """Highest value (n,) of the taxon, and of others; without others the lowest of all.

    Where every candidate is of one taxon, the next taxon lies beyond the last candidate.
    """
    first = np.where(same, values, -np.inf).max(axis=1)
    second = np.where(other, values, -np.inf).max(axis=1)
    floor = np.where(present, values, np.inf).min(axis=1)
    floor = np.where(np.isfinite(floor), floor, 0)
    second = np.where(np.isfinite(second), second, floor)
    return np.where(np.isfinite(first), first, 0), second
