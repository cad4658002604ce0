"""Tokens dropped or masked, for the robustness curves (Figure 3)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

KINDS = ("drop", "mask")


@dataclass(frozen=True)
class Corruption:
    """Mask a share of a barcode's tokens from an encoder.

    "drop" takes the tokens away, the others keep their positions; "mask" puts [MASK] in their
    place. Which ones is drawn from `seed` and the barcode itself, whatever stands beside it in a
    batch, and what is masked at one share is masked at every larger one.

    Attributes:
        kind: "drop" or "mask".
        share: of the barcode's tokens, in [0, 1); rounded to whole tokens, one stays.
        seed: of the draw.
    """

    kind: str
    share: float
    seed: int

    def masked(self, sequences: Sequence[str], lengths: Sequence[int]) -> np.ndarray:
        """(n, longest) bool, True at masked tokens of n barcodes with `lengths` (n,) tokens."""
        masked = np.zeros((len(sequences), max(lengths, default=0)), dtype=bool)
        for row, (sequence, length) in enumerate(zip(sequences, lengths, strict=True)):
            order = np.random.default_rng([self.seed, zlib.crc32(sequence.encode())])
            count = min(round(self.share * length), length - 1)
            masked[row, order.permutation(length)[: max(count, 0)]] = True
        return masked
