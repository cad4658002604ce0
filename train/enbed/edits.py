"""Barcodes with sequencing errors and the tags that undo them, on the grid: for `edits`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from barcodemae.checking.tagging import WIDTH, tokenize
from barcodemae.checking.tags import KEEP
from barcodemae.data.grid import coi_grid
from grid_barcodemae import UNKNOWN, nucleotide_codes
from train.enbed.read_errors import EVEN_MIX, REAL_MIX, corrupt, mask

# Until here errors are many (1 to 6 %), so that there is something to learn from; then fewer.
_HEAVY_UNTIL = 0.4
_HEAVY, _LIGHT = (0.01, 0.06), (0.0015, 0.03)
_PIECE = 150  # nucleotides of the shortest piece of a barcode
_PIECES, _CLEAN, _REAL, _MASKED = 0.3, 0.15, 0.4, 0.3  # shares of barcodes


class EditCollator:
    """Barcodes -> tokens at their places of the grid, and an edit tag for each.

    Training masks nucleotides only at first (an unknown one is to be replaced by what it was), and
    then puts errors in: half of them in the mix of real ones, half of all kinds alike.

    Args:
        seed: what happens to a barcode follows from it and the draw's number.
        draws: of the whole training.
        masks_first: share of them that only mask.
        end: draws from it on only fill up a batch; their labels do not count. Validation: errors
            are as few as at the end of training.
    """

    def __init__(self, seed: int, draws: int, masks_first: float, end: int | None = None):
        self.seed, self.draws, self.masks_first, self.end = seed, draws, masks_first, end

    def __call__(self, draws: Sequence[tuple[int, str]]) -> dict[str, torch.Tensor]:
        placements = coi_grid().place([barcode for _, barcode in draws])
        rows, starts = [], []
        for row, (draw, barcode) in enumerate(draws):
            codes = nucleotide_codes([barcode])[0, : len(barcode)]
            if placements.strand[row] < 0:
                codes = np.where(codes < UNKNOWN, 3 - codes, UNKNOWN)[::-1].astype(np.uint8)
            start = int(placements.start[row])
            codes, start = codes[max(-start, 0) :][: coi_grid().length], max(start, 0)
            rng = np.random.default_rng([self.seed, draw])
            codes, tags, start = self._corrupt(codes[: coi_grid().length - start], start, rng, draw)
            if not placements.placed[row] or (self.end is not None and draw >= self.end):
                tags = np.full_like(tags, -100)
            rows.append((codes, tags))
            starts.append(start)
        ids, kept = tokenize([codes for codes, _ in rows], starts)
        labels = np.full((len(rows), WIDTH), -100)
        for row, (codes, tags) in enumerate(rows):
            # What an unknown letter was, nobody can say, but where it was masked here.
            unknown = np.append((codes == UNKNOWN) & (tags[:-1] == KEEP), False)
            tags = np.where(unknown, -100, tags)[: kept[row] + 1]
            labels[row, starts[row] : starts[row] + len(tags)] = tags
        tokens = torch.from_numpy(ids)
        return {
            "input_ids": tokens,
            "attention_mask": (tokens != 0).long(),
            "labels": torch.from_numpy(labels),
        }

    def _corrupt(self, codes: np.ndarray, start: int, rng: np.random.Generator, draw: int):
        if len(codes) > _PIECE and rng.random() < _PIECES:
            begin = int(rng.integers(0, len(codes) - _PIECE))
            codes = codes[begin : int(rng.integers(begin + _PIECE, len(codes) + 1))]
            start += begin
        tags = np.full(len(codes) + 1, KEEP, dtype=np.int64)
        progress = 1.0 if self.end is not None else draw / self.draws
        if progress < self.masks_first:
            return *mask(codes, tags, rng, rng.uniform(0.1, 0.5)), start
        if len(codes) >= _PIECE and rng.random() >= _CLEAN:
            low, high = _HEAVY if progress < _HEAVY_UNTIL else _LIGHT
            rate = np.exp(rng.uniform(np.log(low), np.log(high)))
            mix = REAL_MIX if rng.random() < _REAL else EVEN_MIX
            codes, tags = corrupt(codes, rng, max(1, rng.poisson(len(codes) * rate)), mix)
        if self.end is None and rng.random() < _MASKED:
            codes, tags = mask(codes, tags, rng, rng.uniform(0.05, 0.3))
        return codes, tags, start


def profile_places(places: int, width: int, seed: int) -> torch.Tensor:
    """(places, width) vectors to begin from: the grid's log-odds at a place and beside it.

    A random projection: what nucleotides are common where then need not be learned first.
    """
    profile = np.pad(coi_grid().profile.astype(np.float32), ((0, 0), (1, places + 1)))
    around = np.stack([profile[:, step : step + places].T for step in range(3)], axis=1)
    features = torch.from_numpy(around.reshape(places, 12) / around.std())
    generator = torch.Generator().manual_seed(seed)
    return features @ torch.randn(12, width, generator=generator) * 0.03
