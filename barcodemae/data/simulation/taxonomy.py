"""A simulated taxonomy: how species branched, how many fall into which taxon, and their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from barcodemae.data.simulation.evolution import CodingProcess, to_nucleotides

RANKS = ("order", "family", "genus", "species")
# Ages are expected substitutions per nucleotide before the present: two sisters are twice as far
# apart, less what saturation hides. A clade's crown, when its own children begin to part, is a
# share of its stem's age, youngest and oldest; they part until a share of the crown's age is left.
# So genera of one family may be younger than species of another.
# Chosen so that 6-mers, VSEARCH and BLAST name the genera of unseen species about as often as among
# public barcodes (62.6, 71.0 and 75.5 %): see docs/measurements.md.
_ROOT = 0.85
_CROWNS = {"order": (0.7, 1.0), "family": (0.5, 1.0), "genus": (0.8, 1.0)}
_LAST = {"order": 0.6, "family": 0.5, "genus": 0.4, "species": 0.3}
_RATE_SPREAD = 0.2  # standard deviation of the log rate among sister lineages; chosen
# Single-linkage threshold in p-distance; BOLD's BINs begin at 2.2 % (Ratnasingham and Hebert 2013).
_BIN_DISTANCE = 0.02

_SYLLABLES = [onset + vowel for onset in "bcdfglmnprstvzhx" for vowel in "aeiou"]
_ENDINGS = {"order": "ptera", "family": "idae", "genus": "ma", "species": "nsis"}


@dataclass(frozen=True)
class Taxonomy:
    """The species of a simulation.

    `codons` (species, 220): each one's founder. `taxa[rank]` (species,): the index, sorted, of the
    taxon of each of `RANKS` that it belongs to.
    """

    codons: np.ndarray
    taxa: dict[str, np.ndarray]


def grow(totals: Sequence[int], process: CodingProcess, rng: np.random.Generator) -> Taxonomy:
    """Evolve as many taxa of each of `RANKS` as `totals` says, from one ancestor."""
    codons, crown, rate = process.ancestor[None], np.array([_ROOT]), np.ones(1)
    taxa: dict[str, np.ndarray] = {}
    for rank, total in zip(RANKS, totals, strict=True):
        parent = np.repeat(np.arange(len(codons)), allocate(total, len(codons), rng))
        rate = rate[parent] * rng.lognormal(0, _RATE_SPREAD, total)
        splits = _split_times(parent, crown, _LAST[rank], rng)
        elder = _elders(parent, rng)
        crown = np.zeros(total)
        if rank in _CROWNS:
            crown = _stems(splits, elder) * rng.uniform(*_CROWNS[rank], total)
        codons = _branch(codons[parent], parent, splits, elder, crown, rate, process, rng)
        taxa = {above: index[parent] for above, index in taxa.items()} | {rank: np.arange(total)}
    return Taxonomy(codons, taxa)


def allocate(
    children: int, parents: int, rng: np.random.Generator, evenness: float = 1.0
) -> np.ndarray:
    """Share out `children` among `parents` `(parents,)`: one for each, the rest unevenly.

    `evenness` is a Dirichlet concentration: with 1 the sizes are those of clades that grow at
    random, with less a few parents take more.
    """
    shares = rng.dirichlet(np.full(parents, evenness))
    return 1 + rng.multinomial(children - parents, shares)


def latin_name(rank: str, index: int, total: int) -> str:
    """A made-up Latin name; for a species the epithet. No two indices below `total` share one."""
    syllables = 2
    while len(_SYLLABLES) ** syllables < total:
        syllables += 1
    scattered = index * 48_271 % len(_SYLLABLES) ** syllables  # coprime: a permutation
    word = ""
    for _ in range(syllables):
        scattered, digit = divmod(scattered, len(_SYLLABLES))
        word += _SYLLABLES[digit]
    return word + _ENDINGS[rank]


def bins(taxonomy: Taxonomy) -> list[str]:
    """A BIN for each species: species of a genus that differ by less than 2 % share one."""
    from scipy.sparse.csgraph import connected_components  # slow to import, and seldom needed

    numbers = np.empty(len(taxonomy.codons), dtype=np.int64)
    starts = np.flatnonzero(np.diff(taxonomy.taxa["genus"], prepend=-1))
    done = 0
    for start, stop in zip(starts, (*starts[1:], len(numbers)), strict=True):
        barcodes = to_nucleotides(taxonomy.codons[start:stop])
        near = [(barcodes != each).mean(axis=1) < _BIN_DISTANCE for each in barcodes]
        found, labels = connected_components(np.array(near), directed=False)
        numbers[start:stop] = done + labels
        done += found
    return [_bin_id(number) for number in numbers.tolist()]


def _bin_id(number: int) -> str:
    letters, digits = divmod(number, 9999)
    code = "".join(chr(65 + letters // 26**place % 26) for place in (2, 1, 0))
    return f"BOLD:{code}{digits + 1:04d}"


def _split_times(
    parent: np.ndarray, crown: np.ndarray, last: float, rng: np.random.Generator
) -> np.ndarray:
    """When each child parts from an elder sister; those of each clade from its crown downwards."""
    times = rng.uniform(last, 1, len(parent)) * crown[parent]
    times[_turns(parent) < 2] = np.inf  # the two eldest part at the crown
    times = np.minimum(times, crown[parent])
    return times[np.lexsort((-times, parent))]


def _turns(parent: np.ndarray) -> np.ndarray:
    """0, 1, 2 ... for the children of each parent; `parent` is sorted."""
    return np.arange(len(parent)) - np.searchsorted(parent, parent)


def _elders(parent: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n,) the sister that each child parts from, drawn from those that parted before it.

    The two eldest part at the crown, from nobody: they are their own.
    """
    turn = _turns(parent)
    drawn = np.arange(len(parent)) - turn + (rng.random(len(parent)) * turn).astype(int)
    return np.where(turn < 2, np.arange(len(parent)), drawn)


def _stems(splits: np.ndarray, elder: np.ndarray) -> np.ndarray:
    """(n,) when the last sister parted from each child: its own children part later."""
    stems = splits.copy()
    np.minimum.at(stems, elder, splits)
    return stems


def _branch(
    codons: np.ndarray,
    parent: np.ndarray,
    splits: np.ndarray,
    elder: np.ndarray,
    end: np.ndarray,
    rate: np.ndarray,
    process: CodingProcess,
    rng: np.random.Generator,
) -> np.ndarray:
    """Codons of all children at their own `end`, evolved from `codons`, those at the crown.

    Children appear one after another, each as a copy of its elder sister; all clades take their nth
    step together.
    """
    turn = _turns(parent)
    now = splits.copy()
    for step in range(2, int(turn.max()) + 1):
        new = np.flatnonzero(turn == step)
        old = elder[new]
        codons[old] = process.evolved(codons[old], (now[old] - splits[new]) * rate[old], rng)
        now[old] = splits[new]
        codons[new] = codons[old]
    return process.evolved(codons, (now - end) * rate, rng)
