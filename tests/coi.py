"""Barcodes for the tests, drawn place by place from the grid of COI, and what befalls them."""

import numpy as np

from barcodemae.data.grid import coi_grid


def draw(number: int, seed: int = 0) -> list[str]:
    """Barcodes of 658 nucleotides that lie on the grid from its first place to its last."""
    rng = np.random.default_rng(seed)
    chances = np.exp(coi_grid().profile) * 0.25
    chances /= chances.sum(axis=0)
    picked = (rng.random((number, 1, 658)) > chances.cumsum(axis=0)).sum(axis=1)
    return ["".join("ACGT"[min(digit, 3)] for digit in row) for row in picked]


def noise(length: int, seed: int = 0) -> str:
    """DNA that is no barcode."""
    rng = np.random.default_rng(seed)
    return "".join(rng.choice(list("ACGT"), length, p=[0.3, 0.2, 0.2, 0.3]))


def turned(barcode: str) -> str:
    """The reverse complement."""
    return barcode.translate(str.maketrans("ACGTacgt", "TGCAtgca"))[::-1]
