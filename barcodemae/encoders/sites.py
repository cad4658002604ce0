"""`sites`: a barcode on the grid, site by site, centred; no weights and no training.

Each known nucleotide is a corner of a tetrahedron less the mean of its place; an unknown one counts
as the mean, which is zero. Cosines are those of centred one-hot letters, at three numbers a site
instead of four.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from barcodemae.data.grid import coi_grid
from barcodemae.errors import BarcodeMAEError

MEANS = Path(__file__).with_name("sites.safetensors")
# Orthonormal coordinates of four letters that sum to nothing (Helmert's contrasts).
CORNERS = np.array(
    [
        [1 / np.sqrt(2), 1 / np.sqrt(6), 1 / np.sqrt(12)],
        [-1 / np.sqrt(2), 1 / np.sqrt(6), 1 / np.sqrt(12)],
        [0, -2 / np.sqrt(6), 1 / np.sqrt(12)],
        [0, 0, -3 / np.sqrt(12)],
    ],
    dtype=np.float32,
)


@cache
def site_means() -> np.ndarray:
    """(658, 3) float32: mean corner of each place among public COI barcodes of all phyla."""
    return load_file(MEANS)["means"]


def site_vectors(codes: np.ndarray, means: np.ndarray | None = None) -> np.ndarray:
    """(n, 3 x sites) float32 from codes (n, sites): 0 to 3 = A, C, G, T, 4 = unknown."""
    means = site_means() if means is None else means
    letters = np.zeros((len(means), 5, 3), dtype=np.float32)  # the fifth, unknown, is the mean
    letters[:, :4] = CORNERS - means[:, None]
    places = codes + 5 * np.arange(len(means))
    return letters.reshape(-1, 3).take(places, axis=0).reshape(len(codes), -1)


def from_spec(detail: str, options) -> Sites:
    """The encoder `sites`; raises BarcodeMAEError where a detail follows the name."""
    if detail:
        raise BarcodeMAEError(f"sites:{detail}: this encoder has no variants; write sites")
    return Sites()


class Sites:
    """Barcodes, wherever they begin and on either strand, as centred sites on the COI grid."""

    corruptions: tuple[str, ...] = ()
    num_offsets = 1
    knows_frames = False  # it lays barcodes on the grid itself
    finds_region = True
    fingerprint = "sites-coi-658-1"

    def __init__(self):
        self.settings = {"encoder": "sites", "dimensions": site_means().size}

    def embed(
        self, sequences: Sequence[str], offset: int = 0, corruption=None, starts=None
    ) -> np.ndarray:
        """(n, 1974) float32; zeros for what fits nowhere. `offset` nucleotides are cut."""
        return self.embed_codes(coi_grid().lay([text[offset:] for text in sequences])[0])

    def embed_codes(self, codes: np.ndarray) -> np.ndarray:
        """(n, 1974) float32 of barcodes that lie on the grid already, as codes (n, 658)."""
        return site_vectors(codes)
