"""Barcodes for the tests, drawn place by place from the grid of COI, and what befalls them."""

import numpy as np
from hypothesis import strategies as st

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


@st.composite
def records(pick):
    """Barcodes cut, broken, mutated, turned, and with other DNA at their ends."""
    seed = pick(st.integers(0, 10**6))
    barcode = draw(1, seed)[0]
    front, end = sorted(pick(st.tuples(st.integers(0, 658), st.integers(0, 658))))
    barcode = barcode[front:end]
    for _ in range(pick(st.integers(0, 2))):
        at = pick(st.integers(0, max(len(barcode) - 1, 0)))
        barcode = barcode[:at] + pick(st.sampled_from(["", "AC", "N", "TTTT"])) + barcode[at + 1 :]
    rng = np.random.default_rng(seed)
    share = pick(st.sampled_from([0, 0.02, 0.1, 0.25]))
    barcode = "".join(rng.choice(list("ACGT")) if rng.random() < share else b for b in barcode)
    ends = pick(st.tuples(st.integers(0, 60), st.integers(0, 60)))
    barcode = noise(ends[0], seed) + barcode + noise(ends[1], seed + 1)
    return turned(barcode) if pick(st.booleans()) else barcode


def mutated(rng, barcode: str, share: float) -> str:
    """The barcode with a share of its letters drawn anew."""
    letters = np.array(list(barcode))
    places = rng.random(len(letters)) < share
    letters[places] = rng.choice(list("ACGT"), places.sum())
    return "".join(letters)
