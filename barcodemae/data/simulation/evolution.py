"""How a simulated COI barcode evolves: mutation, selection on the protein, no stop codons.

Sequences are held as codons, `(n, CODONS)` uint8 in 0..63, the base-4 value of three nucleotides in
ACGT order, and are written out as 658 nucleotides whose reading frame begins with the first.
"""

from __future__ import annotations

import numpy as np

NUCLEOTIDES = "ACGT"
LENGTH = 658  # between the primers of Folmer et al. 1994
CODONS = 220  # the last one is written without its second and third nucleotide

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

# What insects share of the protein in the barcode region: evolution starts from it.
CONSENSUS = (
    "TLYFIFGAWAGMVGTSLSLLIRAELGHPGSLIGDDQIYNVIVTAHAFIMIFFMVMPIMIGGFGNWLVPLMLGAPDMAFPRMNNMSFW"
    "LLPPSLTLLLSSSIVENGAGTGWTVYPPLSSNIAHSGASVDLAIFSLHLAGISSILGAINFITTIINMRPNGMTFDRMPLFVWSVLI"
    "TAILLLLSLPVLAGAITMLLTDRNLNTSFFDPAGGGDPILYQHLFW"
)

# Per codon position: how often a mutation strikes, and towards which base (A, C, G, T). Chosen, not
# fitted: third positions are rich in A and T, as in insect mitochondria (Simon et al. 1994), and
# change fastest; selection slows the first two further.
_RATES = np.array([0.6, 0.5, 1.0])
_BASES = np.array([[0.30, 0.14, 0.22, 0.34], [0.22, 0.22, 0.16, 0.40], [0.42, 0.08, 0.04, 0.46]])
# Chosen, too: transitions outnumber transversions in animal mitochondria (Brown et al. 1982), rates
# vary among sites about as a gamma distribution (Yang 1996), and purifying selection lets few amino
# acid changes through, most of them at few sites.
_TRANSITION_BIAS = 3.0
_RATE_SHAPE = 2.0  # gamma shape of the mutation rate among codons
_TOLERANCE, _TOLERANCE_SHAPE = 0.05, 0.4  # share of amino acid changes that survive; gamma shape

_DIGITS = np.stack([np.arange(64) // 16, np.arange(64) // 4 % 4, np.arange(64) % 4], axis=1)
_WEIGHTS = np.array([16, 4, 1])


class CodingProcess:
    """One gene's process: each codon site has its own mutation rate and tolerance of change.

    A continuous-time Markov process, simulated exactly by thinning: candidate mutations come as a
    Poisson process; one to a stop codon never survives, a synonymous one always, another with the
    probability that its site tolerates. One unit of time is one surviving substitution per
    nucleotide expected in `ancestor`, the `(CODONS,)` sequence that evolution begins with.
    """

    def __init__(self, rng: np.random.Generator):
        rates = rng.gamma(_RATE_SHAPE, 1 / _RATE_SHAPE, CODONS)[:, None] * _RATES  # (codons, 3)
        self._site = np.cumsum(rates.ravel() / rates.sum())
        self._tolerance = np.minimum(
            rng.gamma(_TOLERANCE_SHAPE, _TOLERANCE / _TOLERANCE_SHAPE, CODONS), 1.0
        )
        self._towards = np.cumsum(_substitutions(), axis=2)  # (3, from, to)
        change = _DIGITS[:, :, None] - np.arange(4)  # (64, 3, 4)
        self._mutant = (np.arange(64)[:, None, None] - change * _WEIGHTS[:, None]).astype(np.uint8)
        self.ancestor = _ancestor(rng)
        self._candidates = CODONS * 3 / self._surviving(rates / rates.sum())

    def _surviving(self, rates: np.ndarray) -> float:
        """Probability that a candidate mutation of the ancestor changes it."""
        steps = _substitutions()
        codons = self.ancestor
        total = 0.0
        for position in range(3):
            for base in range(4):
                mutants = self._mutant[codons, position, base]
                move = steps[position, _DIGITS[codons, position], base] * (mutants != codons)
                total += (rates[:, position] * move * self._survival(codons, mutants)).sum()
        return total

    def _survival(self, codons: np.ndarray, mutants: np.ndarray, sites=slice(None)) -> np.ndarray:
        before, after = AMINO_ACIDS[codons], AMINO_ACIDS[mutants]
        return np.where(before == after, 1.0, np.where(after == "*", 0.0, self._tolerance[sites]))

    def evolved(self, codons: np.ndarray, time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What becomes of every row of `codons` (n, 220) in its own `time` (n,)."""
        codons = codons.copy()
        events = rng.poisson(time * self._candidates)
        order = np.argsort(-events, kind="stable")
        remaining = np.searchsorted(-events[order], -np.arange(events.max(initial=0)), "left")
        for many in remaining.tolist():  # the rows that have at least one more candidate
            rows = order[:many]
            chance = rng.random((3, many))
            site, position = np.divmod(np.searchsorted(self._site, chance[0]), 3)
            site = np.minimum(site, CODONS - 1)
            old = codons[rows, site]
            towards = self._towards[position, _DIGITS[old, position]]  # (many, 4)
            base = np.minimum((chance[1][:, None] > towards).sum(axis=1), 3)
            new = self._mutant[old, position, base]
            survives = chance[2] < self._survival(old, new, site)
            codons[rows[survives], site[survives]] = new[survives]
        return codons


def to_nucleotides(codons: np.ndarray) -> np.ndarray:
    """ASCII nucleotides `(n, 658)` uint8 of codons `(n, CODONS)`."""
    letters = np.frombuffer(NUCLEOTIDES.encode(), np.uint8)[_DIGITS]  # (64, 3)
    return letters[codons].reshape(len(codons), -1)[:, :LENGTH]


def _substitutions() -> np.ndarray:
    """Probabilities `(3, from, to)` of a candidate mutation per codon position (HKY85)."""
    bias = np.ones((4, 4))
    for a, b in ((0, 2), (1, 3)):
        bias[a, b] = bias[b, a] = _TRANSITION_BIAS
    np.fill_diagonal(bias, 0)
    moves = bias * _BASES[:, None, :]
    moves /= moves.sum(axis=2).max(axis=1)[:, None, None]
    return moves + np.eye(4) * (1 - moves.sum(axis=2))[:, :, None]


def _ancestor(rng: np.random.Generator) -> np.ndarray:
    """Codons for the consensus protein, drawn by the base composition of each position."""
    weight = np.prod([_BASES[position][_DIGITS[:, position]] for position in range(3)], axis=0)
    choices = {
        amino_acid: np.where(amino_acid == AMINO_ACIDS, weight, 0) for amino_acid in set(CONSENSUS)
    }
    codons = [rng.choice(64, p=choices[a] / choices[a].sum()) for a in CONSENSUS]
    return np.array(codons, dtype=np.uint8)
