"""How probable each nucleotide of a barcode is, given the rest: by groups of like barcodes.

The shipped groups were found among public barcodes by `train/enbed/coi_groups.py`. A barcode
belongs to several in shares; what they hold at a place is weighed with what all barcodes hold
there, by nucleotide, codon and amino acid.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from Bio.Data import CodonTable
from safetensors.numpy import load_file

from barcodemae.checking.stops import FIRST_CODON, INVERTEBRATE

_COI = Path(__file__).with_name("coi-groups.safetensors")
STEP = 20  # stored are whole numbers of twentieths of a nat
AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY*"
FEATURES = 5
CODONS = (658 - FIRST_CODON) // 3
END = FIRST_CODON + 3 * CODONS
# How much less sure of a group than independent sites would make it.
_TEMPER = 10.0
_AT_ONCE = 128


@cache
def amino_acid_of_codon() -> np.ndarray:
    """(64,) the number of each codon's amino acid, by the invertebrate mitochondrial code."""
    table = CodonTable.unambiguous_dna_by_id[INVERTEBRATE].forward_table
    codons = [x + y + z for x in "ACGT" for y in "ACGT" for z in "ACGT"]
    return np.array([AMINO_ACIDS.index(table.get(codon, "*")) for codon in codons])


def one_hot(codes: np.ndarray) -> np.ndarray:
    """Codes (n, sites) -> (n, sites * 4) float32; zeros where unknown."""
    return (codes[..., None] == np.arange(4)).astype(np.float32).reshape(len(codes), -1)


class Groups:
    """Groups of barcodes on the grid of 658 and how their nucleotides are weighed.

    Attributes:
        shares: (groups,) log shares.
        nucleotides: (groups, 658, 4) log-probabilities; amino_acids: (groups, codons, 21).
        codons: (codons, 64) log-probabilities among all barcodes.
        weights: (3, FEATURES), for each place in the codon: of the group's nucleotides and amino
            acids, and of all barcodes' nucleotides, amino acids and codons.
        least_shift, least_surprise: what few clean barcodes of unseen genera reach, of
            `ends.best_shift` and of the greatest `surprise`.
    """

    def __init__(self, tensors: dict[str, np.ndarray]):
        self.shares = tensors["shares"].astype(np.float32)
        self.weights = tensors["weights"].astype(np.float32)
        self.least_shift, self.least_surprise = tensors["thresholds"].tolist()
        self.nucleotides, self.amino_acids, self.codons = (
            -tensors[name].astype(np.float32) / STEP
            for name in ("nucleotides", "amino_acids", "codons")
        )
        shares = np.exp(self.shares - np.logaddexp.reduce(self.shares))
        self._probabilities = np.exp(self.nucleotides), np.exp(self.amino_acids)
        self._common, self._common_acids = (
            np.log(np.tensordot(shares, each, 1)) for each in self._probabilities
        )

    def expected(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes (n, 658) -> log-probabilities (n, 658, 4) and of amino acids (n, codons, 21)."""
        groups = len(self.shares)
        fit = one_hot(codes) @ self.nucleotides.reshape(groups, -1).T + self.shares
        fit /= _TEMPER
        fit = np.exp(fit - fit.max(axis=1, keepdims=True))
        fit /= fit.sum(axis=1, keepdims=True)
        return tuple(
            np.log((fit @ each.reshape(groups, -1)).reshape(len(codes), *each.shape[1:]))
            for each in self._probabilities
        )

    def features(
        self, codes: np.ndarray, expected: tuple[np.ndarray, np.ndarray] | None = None
    ) -> np.ndarray:
        """Codes (n, 658) -> (n, codons, 3, 4, FEATURES): of each place in a codon and each
        nucleotide that could stand there, beside the two others as they are, log-probabilities.

        `expected` spares computing it again where it is at hand.
        """
        own, own_acids = self.expected(codes) if expected is None else expected
        three = np.minimum(codes[:, FIRST_CODON:END], 3).reshape(len(codes), CODONS, 3).astype(int)
        found = np.zeros((len(codes), CODONS, 3, 4, FEATURES), dtype=np.float32)
        found[..., 0] = own[:, FIRST_CODON:END].reshape(len(codes), CODONS, 3, 4)
        found[..., 2] = self._common[FIRST_CODON:END].reshape(CODONS, 3, 4)
        value = np.array([16, 4, 1])
        number = np.arange(CODONS)
        for place in range(3):
            others = (three * value).sum(axis=2) - three[:, :, place] * value[place]
            for code in range(4):
                codon = others + code * value[place]
                acid = amino_acid_of_codon()[codon]
                at = found[:, :, place, code]
                at[..., 1] = np.take_along_axis(own_acids, acid[..., None], 2)[..., 0]
                at[..., 3] = self._common_acids[number, acid]
                at[..., 4] = self.codons[number, codon]
        return found

    def surprise(
        self, codes: np.ndarray, expected: tuple[np.ndarray, np.ndarray] | None = None
    ) -> np.ndarray:
        """Codes (n, 658) -> (n, 658): how much likelier a nucleotide is wrong than right, before
        it is known how often any is: (1 - p) / 3 p. 0 where a letter of the codon is unknown.

        `expected` as of `features`.
        """
        found = np.zeros(codes.shape, dtype=np.float32)
        for first in range(0, len(codes), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            some = codes[part]
            given = None if expected is None else (expected[0][part], expected[1][part])
            logits = np.einsum("ncpyf,pf->ncpy", self.features(some, given), self.weights)
            three = some[:, FIRST_CODON:END].reshape(len(some), CODONS, 3, 1)
            is_known = np.all(three < 4, axis=(2, 3), keepdims=True)[..., 0]
            logits -= logits.max(axis=3, keepdims=True)
            shares = np.exp(logits)
            shares /= shares.sum(axis=3, keepdims=True)
            right = np.take_along_axis(shares, np.minimum(three, 3).astype(int), 3)[..., 0]
            odds = np.where(is_known, (1 - right) / (3 * right), 0)
            found[part, FIRST_CODON:END] = odds.reshape(len(some), -1)
        return found


@cache
def coi_groups() -> Groups:
    """The shipped groups, read once."""
    return Groups(load_file(_COI))
