"""How a simulated COI barcode evolves: mutation, selection on the protein, no stop codons.

Sequences are held as codons, `(n, CODONS)` uint8 in 0..63, the base-4 value of three nucleotides in
ACGT order. The first nucleotide of a barcode is the last of a codon, as it is on the grid of COI:
the 658 that are written are those of 220 codons but the first two.
"""

from __future__ import annotations

import numpy as np

from barcodemae.data.grid import coi_grid

NUCLEOTIDES = "ACGT"
LENGTH = 658  # between the primers of Folmer et al. 1994
CODONS = 220
FRAME = 1  # place of the first nucleotide that begins a codon

# The invertebrate mitochondrial code, NCBI table 5, in the order TTT, TTC, TTA, TTG, TCT, ... GGG.
_TABLE_5 = "FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIMMTTTTNNKKSSSSVVVVAAAADDEEGGGG"
_ORDER = "TCAG"
AMINO_ACIDS = np.array(
    [
        _TABLE_5[16 * _ORDER.index(a) + 4 * _ORDER.index(b) + _ORDER.index(c)]
        for a in NUCLEOTIDES
        for b in NUCLEOTIDES
        for c in NUCLEOTIDES
    ]
)  # (64,), "*" is a stop

# What insects share of the protein in the barcode region: evolution starts from it. Of the codons
# that the grid of COI has whole, 194 of 219 mean the same amino acid where its shares are highest.
CONSENSUS = (
    "GTLYFIFGAWAGMVGTSLSLLIRAELGHPGSLIGDDQIYNVIVTAHAFIMIFFMVMPIMIGGFGNWLVPLMLGAPDMAFPRMNNMSF"
    "WLLPPSLTLLLSSSIVENGAGTGWTVYPPLSSNIAHSGASVDLAIFSLHLAGISSILGAINFITTIINMRPNGMTFDRMPLFVWSVL"
    "ITAILLLLSLPVLAGAITMLLTDRNLNTSFFDPAGGGDPILYQHLF"
)

# Selection: each place keeps to the shares of nucleotides that the grid of COI has there, those of
# all phyla; third places are tilted to A and T, as in insect mitochondria (Simon et al. 1994).
_THIRD_PLACES = np.array([1.3, 0.5, 0.35, 1.35])  # A, C, G, T
# Chosen: transitions outnumber transversions in animal mitochondria (Brown et al. 1982).
_TRANSITION_BIAS = 3.0

_DIGITS = np.stack([np.arange(64) // 16, np.arange(64) // 4 % 4, np.arange(64) % 4], axis=1)
_WEIGHTS = np.array([16, 4, 1])


class CodingProcess:
    """One gene's process: each place has its own shares of nucleotides, and so its own rate.

    A continuous-time Markov process, simulated exactly by thinning: candidate mutations come as a
    Poisson process; one survives with the ratio of the new nucleotide's share at its place to the
    old one's, at most 1; never as a stop codon. One unit of time is one surviving substitution per
    nucleotide expected in `ancestor`, the `(CODONS,)` sequence that evolution begins with.
    """

    def __init__(self, rng: np.random.Generator):
        self._towards = np.cumsum(_substitutions(), axis=1)  # (from, to)
        change = _DIGITS[:, :, None] - np.arange(4)  # (64, 3, 4)
        self._mutant = (np.arange(64)[:, None, None] - change * _WEIGHTS[:, None]).astype(np.uint8)
        shares = _shares()
        self._survival = self._survivals(shares)  # (codons, 64, 3, 4)
        self.ancestor = _ancestor(shares, rng)
        struck = self._survival[np.arange(CODONS), self.ancestor]  # (codons, 3, 4)
        moves = _substitutions()[_DIGITS[self.ancestor]] * struck
        self._candidates = (CODONS * 3) ** 2 / moves.sum()

    def _survivals(self, shares: np.ndarray) -> np.ndarray:
        """Chance (codons, 64, 3, 4) that a codon's change at a place to a nucleotide survives."""
        old = shares[:, np.arange(3), _DIGITS]  # (codons, 64, 3)
        ratio = np.minimum(shares[:, None] / old[..., None], 1)
        same = self._mutant == np.arange(64)[:, None, None]
        lost = same | (AMINO_ACIDS[self._mutant] == "*")
        return np.where(lost, 0.0, ratio).astype(np.float32)

    def evolved(self, codons: np.ndarray, time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What becomes of every row of `codons` (n, 220) in its own `time` (n,)."""
        codons = codons.copy()
        events = rng.poisson(time * self._candidates)
        order = np.argsort(-events, kind="stable")
        remaining = np.searchsorted(-events[order], -np.arange(events.max(initial=0)), "left")
        for many in remaining.tolist():  # the rows that have at least one more candidate
            rows = order[:many]
            chance = rng.random((2, many))
            site, position = rng.integers(0, CODONS, many), rng.integers(0, 3, many)
            old = codons[rows, site]
            towards = self._towards[_DIGITS[old, position]]  # (many, 4)
            base = np.minimum((chance[0][:, None] > towards).sum(axis=1), 3)
            new = self._mutant[old, position, base]
            survives = chance[1] < self._survival[site, old, position, base]
            codons[rows[survives], site[survives]] = new[survives]
        return codons


def to_nucleotides(codons: np.ndarray) -> np.ndarray:
    """ASCII nucleotides `(n, 658)` uint8 of codons `(n, CODONS)`."""
    letters = np.frombuffer(NUCLEOTIDES.encode(), np.uint8)[_DIGITS]  # (64, 3)
    return letters[codons].reshape(len(codons), -1)[:, -LENGTH:]


def _substitutions() -> np.ndarray:
    """Chances (from, to) of a candidate mutation (Kimura 1980)."""
    moves = np.ones((4, 4))
    for a, b in ((0, 2), (1, 3)):
        moves[a, b] = moves[b, a] = _TRANSITION_BIAS
    np.fill_diagonal(moves, 0)
    return moves / moves.sum(axis=1, keepdims=True)


def _shares() -> np.ndarray:
    """(CODONS, 3, 4) shares of the nucleotides at each place of the region."""
    odds = np.exp(np.asarray(coi_grid().profile, float))
    background = np.linalg.lstsq(odds.T, np.ones(odds.shape[1]), rcond=None)[0]
    shares = np.full((CODONS * 3, 4), 0.25)  # also where the barcode does not reach
    shares[-LENGTH:] = (odds * background[:, None]).T
    by_codon = shares.reshape(CODONS, 3, 4)
    by_codon[:, 2] *= _THIRD_PLACES
    return by_codon / by_codon.sum(axis=2, keepdims=True)


def _ancestor(shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Codons of the consensus protein, drawn by the shares at their places."""
    weight = np.prod(shares[:, np.arange(3), _DIGITS], axis=2)  # (codons, 64)
    weight *= np.array(list(CONSENSUS))[:, None] == AMINO_ACIDS
    total = np.cumsum(weight, axis=1)
    chance = rng.random(CODONS)[:, None] * total[:, -1:]
    return (total <= chance).sum(axis=1).astype(np.uint8)
