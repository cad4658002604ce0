"""Barcodes put on the reference's grid, for models that cut k-mers from the first nucleotide.

Primers and trimming make barcodes of one gene begin at different places. Such a model reads them
in different frames, and at different positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from barcodemae.data.grid import coi_grid, fit_grid
from barcodemae.errors import BarcodeMAEError
from grid_barcodemae import Grid, nucleotide_text

_SAMPLE = 2000  # references by which the grid is found; a choice
_ENOUGH = 0.5  # share of them that has to fit on that of COI; chosen, COI nearly always fits


class Placement:
    """Lays barcodes on the grid of COI, or of the reference where that is another gene.

    Args:
        reference: barcodes. If few of them are COI, a grid is made of them: those of the commonest
            length are taken to begin at one place then.

    Raises:
        BarcodeMAEError: few references are COI, and they are too short for a grid of their own.
    """

    def __init__(self, reference: Sequence[str]):
        self.grid = _grid_of(reference)

    def align(self, barcodes: Sequence[str]) -> tuple[list[str], np.ndarray]:
        """The same barcodes, turned and mended, and the places of their first nucleotides.

        What lies outside the grid falls off. A barcode that fits nowhere stays as it is, at 0.

        Returns:
            n texts; (n,) starts, none negative.
        """
        codes, placements = self.grid.lay(barcodes)
        texts = list(barcodes)
        starts = np.zeros(len(texts), dtype=np.int64)
        for row in np.flatnonzero(placements.placed):
            laid = nucleotide_text(codes[row])
            texts[row] = laid.strip("N")
            starts[row] = len(laid) - len(laid.lstrip("N"))
        return texts, starts


def _grid_of(reference: Sequence[str]) -> Grid:
    sample = reference[:: -(-len(reference) // _SAMPLE)] if len(reference) else []
    if not len(sample) or coi_grid().place(sample).placed.mean() >= _ENOUGH:
        return coi_grid()
    try:
        return fit_grid(reference, [("", "")] * len(reference))
    except ValueError as error:
        raise BarcodeMAEError(
            f"few of the references are COI, and they make no grid of their own ({error}). Leave "
            "the option `aligned` out."
        ) from error
