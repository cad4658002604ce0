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
    """Collates (draw, codes, labels (2 + ranks of proxies,), whether it is there for contrast).

    Args:
        views: of the barcodes to contrast.
        masking: of the others; None: there are none.
    """

    def __init__(self, views: Views, masking: LaidMasking | None):
        self.views = views
        self.masking = masking

    def __call__(self, items: Sequence[tuple]) -> dict:
        """`masked`, `views`, `taxa`, `species`, `named` as `Contrasted` takes them; `anchors`.

        The latter, (2 + ranks of proxies,) int64: how many barcodes have another one of their taxon
        in the batch, one of their species, and a label at each rank that is named.
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
        draws, codes, labels, _ = zip(*items, strict=True)
        ids = self.views(np.array(draws), np.stack(codes))
        unknown = 4**self.views.kmer_size
        order = (ids != unknown).sum(axis=1).argsort(kind="stable")
        labels = np.stack(labels)[order]
        anchors = [_with_another(labels[:, 0]), _with_another(labels[:, 1])]
        anchors += (labels[:, 2:] != IGNORED).sum(axis=0).tolist()
        taxa, species, named = np.split(labels, [1, 2], axis=1)
        return {
            "views": [_part(ids[rows], unknown) for rows in np.array_split(order, _PARTS)],
            "taxa": torch.from_numpy(taxa[:, 0]),
            "species": torch.from_numpy(species[:, 0]),
            "named": torch.from_numpy(named),
            "anchors": torch.tensor(anchors),
        }


def _with_another(taxa: np.ndarray) -> int:
    """How many labels there are that another one is equal to."""
    _, counts = np.unique(taxa[taxa != IGNORED], return_counts=True)
    return int(counts[counts > 1].sum())


def _part(ids: np.ndarray, unknown: int) -> dict[str, torch.Tensor]:
    names = ("input_ids", "position_ids", "attention_mask")
    return dict(zip(names, map(torch.from_numpy, gathered(ids, unknown)), strict=True))
