"""Draws -> the batch that `Contrasted` reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from barcodemae.identification.lineages import IGNORED
from train.contrast.views import Views, gathered
from train.masked_lm.masking import MaskingCollator

_PARTS = 2  # views are embedded in parts of like lengths: short ones are not filled up to long ones


class LaidMasking(MaskingCollator):
    """As `MaskingCollator`, of barcodes that are laid down already; `views` of them are masked."""

    def __init__(self, *arguments, views: Views, **options):
        super().__init__(*arguments, random_offset=False, **options)
        self.views = views

    def cut(
        self, draws: np.ndarray, barcodes: Sequence[np.ndarray], offsets: np.ndarray | int
    ) -> tuple[np.ndarray, np.ndarray]:
        ids = self.views(draws, np.stack(barcodes))
        return ids, ids != 4**self.kmer_size


class ContrastCollator:
    """Collates (draw, codes, taxon, species, whether it is there for contrast).

    Args:
        views: of the barcodes to contrast.
        masking: of the others; None: there are none.
    """

    def __init__(self, views: Views, masking: LaidMasking | None):
        self.views = views
        self.masking = masking

    def __call__(self, items: Sequence[tuple]) -> dict:
        """`masked`, `views`, `taxa`, `species` as `Contrasted` takes them; `anchors` () int64.

        These are the barcodes that have another one of their taxon in the batch.
        """
        labelled = [item for item in items if item[-1]]
        others = [item[:2] for item in items if not item[-1]]
        batch = {}
        if others:
            batch["masked"] = self.masking(others)
        if labelled:
            batch |= self._contrasted(labelled)
        return batch

    def _contrasted(self, items: Sequence[tuple]) -> dict:
        draws, codes, taxa, species, _ = zip(*items, strict=True)
        ids = self.views(np.array(draws), np.stack(codes))
        unknown = 4**self.views.kmer_size
        order = (ids != unknown).sum(axis=1).argsort(kind="stable")
        taxa, species = np.array(taxa)[order], np.array(species)[order]
        _, which, counts = np.unique(taxa, return_inverse=True, return_counts=True)
        return {
            "views": [_part(ids[rows], unknown) for rows in np.array_split(order, _PARTS)],
            "taxa": torch.from_numpy(taxa),
            "species": torch.from_numpy(species),
            "anchors": torch.tensor(((counts[which] > 1) & (taxa != IGNORED)).sum()),
        }


def _part(ids: np.ndarray, unknown: int) -> dict[str, torch.Tensor]:
    names = ("input_ids", "position_ids", "attention_mask")
    return dict(zip(names, map(torch.from_numpy, gathered(ids, unknown)), strict=True))
