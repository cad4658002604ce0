"""What pretraining masks: spans, named by ByT5's sentinels, or single nucleotides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from enbed.tokenization_enbed import END, FIRST_SENTINEL, ID_OF_CODE, NUM_SENTINELS


class SpanCollator:
    """Mask spans: the encoder reads a sentinel for each, the decoder writes what they held.

    Args:
        share: of the nucleotides that are masked.
        length: mean length of a span.
        seed: what is masked in a draw follows from it and the draw's number.
        end: draws from it on only fill up a batch; their labels do not count.
    """

    def __init__(self, share: float, length: float, seed: int, end: int | None = None):
        self.share, self.length, self.seed, self.end = share, length, seed, end

    def __call__(self, draws: Sequence[tuple[int, np.ndarray]]) -> dict[str, torch.Tensor]:
        pairs = [self._corrupt(codes, draw) for draw, codes in draws]
        inputs = np.stack([source for source, _ in pairs])
        labels = np.stack([target for _, target in pairs])
        if self.end is not None:
            labels[[draw >= self.end for draw, _ in draws]] = -100
        return {
            "input_ids": torch.from_numpy(inputs),
            "attention_mask": torch.ones(inputs.shape, dtype=torch.long),
            "labels": torch.from_numpy(labels),
        }

    def _corrupt(self, codes: np.ndarray, draw: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self.seed, draw])
        masked = max(1, round(len(codes) * self.share))
        spans = min(max(1, round(masked / self.length)), NUM_SENTINELS, masked)
        # Kept and masked stretches take turns; both sums are fixed, so every row is equally long.
        kept = _parts(len(codes) - masked, spans, rng)
        gone = _parts(masked, spans, rng)
        tokens = ID_OF_CODE[codes]
        source, target, at = [], [], 0
        for number in range(spans):
            sentinel = [FIRST_SENTINEL + number]
            source += [tokens[at : at + kept[number]], sentinel]
            at += kept[number]
            target += [sentinel, tokens[at : at + gone[number]]]
            at += gone[number]
        return np.concatenate([*source, [END]]), np.concatenate([*target, [END]])


def _parts(total: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` random numbers of at least 1 whose sum is `total`."""
    cuts = np.sort(rng.choice(total - 1, count - 1, replace=False)) + 1
    return np.diff(np.concatenate([[0], cuts, [total]]))


class TokenCollator:
    """Mask single nucleotides: each is <extra_id_0> to the encoder, which names it (0 to 3).

    Arguments as of `SpanCollator`.
    """

    def __init__(self, share: float, seed: int, end: int | None = None):
        self.share, self.seed, self.end = share, seed, end

    def __call__(self, draws: Sequence[tuple[int, np.ndarray]]) -> dict[str, torch.Tensor]:
        rows = np.stack([codes for _, codes in draws]).astype(np.int64)
        ids, labels = ID_OF_CODE[rows], np.full(rows.shape, -100)
        for row, (draw, codes) in enumerate(draws):
            rng = np.random.default_rng([self.seed, draw])
            known = np.flatnonzero(codes < 4)
            chosen = rng.choice(known, max(1, round(len(known) * self.share)), replace=False)
            labels[row, chosen] = codes[chosen]
            ids[row, chosen] = FIRST_SENTINEL
            if self.end is not None and draw >= self.end:
                labels[row] = -100
        ends = np.full((len(rows), 1), END)
        return {
            "input_ids": torch.from_numpy(np.concatenate([ids, ends], axis=1)),
            "attention_mask": torch.ones(len(rows), rows.shape[1] + 1, dtype=torch.long),
            "labels": torch.from_numpy(np.concatenate([labels, np.full_like(ends, -100)], axis=1)),
        }
