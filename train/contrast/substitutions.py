"""Substitutions as evolution makes them: which places change, and to what, differs along COI."""

from __future__ import annotations

import numpy as np

from barcodemae.errors import BarcodeMAEError
from grid_barcodemae import UNKNOWN

_PAIRS_OF_BARCODE, _PAIRS_OF_TAXON = 4, 40
_AT_ONCE = 4096  # pairs
_PRIOR = 0.02  # pairs that each place has beforehand, of the substitutions of all places


class Substitutions:
    """How often each nucleotide of each place is another one in another species of the taxon.

    Attributes:
        rates: (places, 4) share of the pairs of species in which a nucleotide differs.
        targets: (places, 4, 4) cumulative shares of what it is then.
    """

    def __init__(self, counts: np.ndarray):
        """Counts (places, 4, 4) of pairs with one nucleotide and the other."""
        counts = counts + counts.transpose(0, 2, 1)
        counts = counts + _PRIOR * counts.mean(axis=0) + 1e-3
        shares = counts / counts.sum(axis=2, keepdims=True)
        shares[:, range(4), range(4)] = 0
        self.rates = shares.sum(axis=2)
        self.targets = (shares / self.rates[:, :, None]).cumsum(axis=2)

    @classmethod
    def between_species(
        cls, codes: np.ndarray, members: list[np.ndarray], species: np.ndarray, seed: int
    ) -> Substitutions:
        """From pairs of barcodes of different species of a taxon, the same number for each taxon.

        Args:
            codes: (barcodes, places).
            members: rows of each taxon.
            species: (barcodes,), below 0 where unknown, which makes no pair.
            seed: of the draw of pairs.

        Raises:
            BarcodeMAEError: there is no such pair.
        """
        generator = np.random.default_rng(seed)
        pairs = []
        for rows in members:
            rows = rows[species[rows] >= 0]
            size = min(_PAIRS_OF_TAXON, _PAIRS_OF_BARCODE * len(rows))
            first, other = generator.integers(0, max(len(rows), 1), (2, size))
            differ = species[rows[first]] != species[rows[other]]
            pairs.append(np.stack([rows[first], rows[other]])[:, differ])
        chosen = np.concatenate(pairs, axis=1)
        if not chosen.size:
            raise BarcodeMAEError("--evolve: no taxon of the data has barcodes of two species")
        counts = np.zeros((codes.shape[1], 4, 4))
        for at in range(0, chosen.shape[1], _AT_ONCE):
            one, two = (codes[rows] for rows in chosen[:, at : at + _AT_ONCE])
            for a in range(4):
                for b in range(4):
                    counts[:, a, b] += ((one == a) & (two == b)).sum(axis=0)
        return cls(counts)

    def __call__(self, codes: np.ndarray, strength: np.ndarray, uniform: np.ndarray) -> np.ndarray:
        """Codes (n, places) with substitutions.

        Args:
            codes: the unknown stay unknown.
            strength: (n,) times which the rates count.
            uniform: (n, places) random numbers in [0, 1), one for each nucleotide.
        """
        places = np.arange(codes.shape[1])
        known = codes.clip(max=UNKNOWN - 1)
        rates = self.rates[places, known] * strength[:, None]
        hit = (uniform < rates) & (codes < UNKNOWN)
        row, place = np.nonzero(hit)
        # What is left of the number, once it is known to be small, is uniform again.
        left = uniform[row, place] / rates[row, place]
        targets = self.targets[place, codes[row, place]]
        changed = codes.copy()
        changed[row, place] = (left[:, None] >= targets).sum(axis=1).clip(max=3)
        return changed
