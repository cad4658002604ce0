"""`torch.compile` without a storm of recompilations: few batch shapes, each compiled once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import pad

from barcodemae.encoders.tokens import most_tokens
from train.masked_lm.masking import MaskingCollator

_STEP = 8  # tokens; a multiple of what tensor cores multiply at a time
_WIDE_STEP = 16  # where the mask ratio varies: half as many shapes to compile
_AMBIGUOUS_STEP = (
    24  # beyond what a whole barcode shows: for ambiguous k-mers, which are never masked
)
_MOST_SHAPES = 64  # beyond dynamo's limit it would run uncompiled, without a word


class StaticShapes:
    """Batches of few shapes: what `collator` makes, filled up to round sizes.

    Lengths and counts of visible tokens are rounded up to multiples of 8 tokens, and there always
    is an attention mask. Loss and gradients stay the same; whole barcodes give one shape, for at
    most 2 % more work. One barcode with many ambiguous k-mers makes its whole batch wider: then the
    count is rounded up by steps of 24 tokens from there, which gives one more shape for nearly all
    such batches. Each shape costs a compilation in every process, of training and validation.

    A mask ratio that varies brings counts of visible tokens of every size, which are then rounded
    up to multiples of 16: five shapes where U(0.2, 0.8) of 110 k-mers are masked. Slots for
    predictions are cheap, the head being a few per cent of the work: there always are as many as
    the highest ratio needs, so they add no shape.
    """

    def __init__(self, collator: MaskingCollator):
        self.collator = collator
        self.longest = most_tokens(collator.kmer_size)
        lowest, self.highest_ratio = collator.mask_ratios
        self.ratio_varies = lowest != self.highest_ratio
        self.visible_of_whole = self._round(
            self.longest - round(lowest * self.longest), self.longest
        )

    def __call__(self, items: Sequence[tuple[int, str]]) -> dict[str, torch.Tensor | int]:
        """Collate as `MaskingCollator` does, in few shapes."""
        batch = self.collator(items)
        rows, length = batch["input_ids"].shape
        width = self._round(length, self.longest)
        mask = batch.get("attention_mask", torch.ones(rows, length, dtype=torch.bool))
        filling = (0, width - length)
        return {
            "input_ids": pad(batch["input_ids"], filling, value=4**self.collator.kmer_size),
            "labels": pad(batch["labels"], filling, value=-100),
            "attention_mask": pad(mask, filling, value=False),
            "num_visible": self._visible(batch["num_visible"], width),
            "num_predicted": self._round(round(self.highest_ratio * width), width),
        }

    def _visible(self, count: int, width: int) -> int:
        whole = self.visible_of_whole
        if self.ratio_varies:
            return self._round(count, width, _WIDE_STEP)
        if count > whole:
            return min(whole + self._round(count - whole, width, _AMBIGUOUS_STEP), width)
        return self._round(count, width)

    @staticmethod
    def _round(count: int, most: int, step: int = _STEP) -> int:
        return min(-(-count // step) * step, most)


def compile_model(model: torch.nn.Module) -> None:
    """Compile `model` in place, anew for each shape that `StaticShapes` gives."""
    torch._dynamo.config.recompile_limit = _MOST_SHAPES
    model.compile(dynamic=False)
