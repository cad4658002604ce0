"""The grid of the COI barcode region, and how a grid is made from barcodes of any marker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from grid_barcodemae import UNKNOWN, Grid, nucleotide_codes

_COI = Path(__file__).with_name("grid.safetensors")
_MIXED = 0.02  # share of the mean composition in every place: no nucleotide is impossible
_MOST_ROUNDS = 8


@cache
def coi_grid() -> Grid:
    """The grid of the 658 places of the animal barcode region of COI, read once."""
    return Grid.load(_COI)


def profile_but_of_coi(grid: Grid | None) -> bytes:
    """What tells a grid from that of COI, for a fingerprint; nothing for that one, and for None."""
    if grid is None or np.array_equal(grid.profile, coi_grid().profile):
        return b""
    return grid.profile.tobytes()


def fit_grid(
    barcodes: Sequence[str],
    groups: Sequence[tuple[str, str]],
    length: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Grid:
    """Make a grid from barcodes that need not begin at one place.

    It begins with the barcodes of one length, which are taken to lie in one frame, lays all
    barcodes on their profile, and counts anew, until no place moves.

    Args:
        barcodes: n barcodes, of either strand.
        groups: (n,) a broad and a fine group (phylum, order). Broad ones count alike, fine ones
            within them by the square root of their size, so that what is sampled best does not
            swamp the rest.
        length: places of the region; None: the commonest length of the barcodes.
        say: called with a line after each round.

    Raises:
        ValueError: no barcode has that length.
    """
    lengths = np.array([len(barcode) for barcode in barcodes])
    if length is None:
        values, counts = np.unique(lengths, return_counts=True)
        length = int(values[counts.argmax()]) if len(values) else 0
    whole = np.flatnonzero(lengths == length)
    if not len(whole):
        raise ValueError(f"no barcode of {length} nucleotides: a grid begins with whole barcodes")
    weights = _weights(groups)
    codes = nucleotide_codes([barcodes[row] for row in whole.tolist()])[:, :length]
    grid, before = Grid(_profile(codes, weights[whole])), None
    for number in range(1, _MOST_ROUNDS + 1):
        codes, places = grid.lay(barcodes)
        good = places.placed & (places.breaks == 0)
        moved = good.sum() if before is None else (before != places.start).sum()
        say(f"round {number}: {good.sum():,} of {len(good):,} barcodes placed, {moved:,} moved")
        grid = Grid(_profile(codes[good], weights[good]))
        if moved == 0:
            break
        before = places.start
    return grid


def _weights(groups: Sequence[tuple[str, str]]) -> np.ndarray:
    """(n,) weights: each broad group sums to 1, its fine ones share that by their roots."""
    broad = np.unique([str(group[0]) for group in groups], return_inverse=True)[1]
    fine = np.unique(["\t".join(map(str, group)) for group in groups], return_inverse=True)[1]
    weights = 1 / np.sqrt(np.bincount(fine))[fine]
    return weights / np.bincount(broad, weights)[broad]


def _profile(codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(4, length) log-odds of the weighted shares at each place against the mean composition."""
    counts = np.stack([weights @ (codes == code) for code in range(UNKNOWN)])
    overall = counts.sum(axis=1, keepdims=True) / counts.sum()
    shares = counts / np.maximum(counts.sum(axis=0), np.finfo(float).tiny)
    return np.log(((1 - _MIXED) * shares + _MIXED * overall) / overall)
