"""Barcodes of a run as nucleotide codes at fixed places, laid down once."""

from __future__ import annotations

from collections.abc import Callable

import datasets
import numpy as np

from barcodemae.data.grid import coi_grid
from barcodemae.errors import BarcodeMAEError
from grid_barcodemae import MAX_NUCLEOTIDES, UNKNOWN, Grid, nucleotide_codes
from train.loop.barcodes import Draws

_AT_ONCE = 16_384


class LaidBarcodes:
    """The barcodes of a run, (n, places) uint8: 0 to 3 = A, C, G, T, 4 = unknown.

    Attributes:
        codes: of all barcodes, in the order of the data.
        fits: (n,) bool, False for what has no place on the grid.
    """

    def __init__(self, barcodes: datasets.Dataset, grid: Grid | None, kmer_size: int):
        """Lay `barcodes` on `grid`; None: each from its first nucleotide on."""
        length = grid.length if grid else MAX_NUCLEOTIDES
        length -= length % kmer_size  # an incomplete last k-mer is no token
        self.codes = np.full((len(barcodes), length), UNKNOWN, dtype=np.uint8)
        column = barcodes.data.column("nucleotides")
        for first in range(0, len(barcodes), _AT_ONCE):
            texts = column.slice(first, _AT_ONCE).to_pylist()
            laid = grid.lay(texts)[0] if grid else nucleotide_codes(texts)
            width = min(length, laid.shape[1])
            self.codes[first : first + len(texts), :width] = laid[:, :width]
        self.fits = (self.codes < UNKNOWN).any(axis=1)

    def tell(self, say: Callable[[str], None]) -> None:
        """Say how many barcodes have no place."""
        if self.fits.all():
            return
        left_out = int((~self.fits).sum())
        say(f"{left_out:,} of {len(self.fits):,} barcodes fit nowhere on the grid: left out")


def grid_of(file: str) -> Grid:
    """The grid in a file that `Grid.save` wrote; "": that of COI.

    Raises:
        BarcodeMAEError: there is no such file, or no grid in it.
    """
    if not file:
        return coi_grid()
    try:
        return Grid.load(file)
    except (OSError, ValueError) as error:
        raise BarcodeMAEError(
            f"--grid: {error}. Give a grid.safetensors, such as lies in a model's directory."
        ) from error


class LaidDraws(Draws):
    """As `Draws`; a draw comes as (draw, codes (places,))."""

    def __init__(
        self, barcodes: datasets.Dataset, laid: LaidBarcodes, rows: np.ndarray, seed: int | None
    ):
        super().__init__(barcodes, rows, seed)
        self.codes = laid.codes

    def __getitem__(self, draw: int) -> tuple:
        return draw, self.codes[self.row_of(draw)]
