"""Barcodes with the targets of a student: drawn, and collated into batches."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import numpy as np
import torch

from barcodemae.encoders.tokens import kmer_ids
from tokenization_barcodemae import MAX_NUCLEOTIDES
from train.loop.barcodes import Draws
from train.loop.draws import random_bits


class TaughtDraws(Draws):
    """Barcodes by the number of their draw, each with its target."""

    def __init__(
        self, barcodes: datasets.Dataset, rows: np.ndarray, seed: int | None, targets: np.ndarray
    ):
        """`targets` (n, width): one for each of the n `barcodes`."""
        self.targets = targets
        super().__init__(barcodes, rows, seed)

    def __getitem__(self, draw: int) -> tuple:
        """The draw's number, its barcode and its target (width,)."""
        return *super().__getitem__(draw), self.targets[self.row_of(draw)]


class TeachingCollator:
    """Tokenize barcodes, each from a frame offset that follows from `seed` and the draw's number.

    Args:
        kmer_size: nucleotides in a token, k.
        random_offset: drop 0 to k-1 nucleotides from the front; else cut at offset 0.
        end: draws from this number on only fill up a batch: their targets are zeros.
    """

    def __init__(
        self, kmer_size: int, seed: int = 0, random_offset: bool = False, end: int | None = None
    ):
        self.kmer_size = kmer_size
        self.seed = seed
        self.random_offset = random_offset
        self.end = end

    def __call__(self, items: Sequence[tuple[int, str, np.ndarray]]) -> dict[str, torch.Tensor]:
        """Collate (draw, nucleotides, target).

        Returns:
            input_ids (batch, length); targets (batch, width), zeros where there is nothing to
            learn; attention_mask (batch, length), left out where no barcode is padded.
        """
        draws, sequences, targets = zip(*items, strict=True)
        bits = random_bits(self.seed, np.array(draws), 1)[:, 0]
        offsets = (bits % self.kmer_size).astype(int) if self.random_offset else 0
        ids, lengths = kmer_ids(
            sequences, self.kmer_size, offsets, MAX_NUCLEOTIDES // self.kmer_size
        )
        targets = np.stack(targets)
        if self.end is not None:
            targets[np.array(draws) >= self.end] = 0
        batch = {"input_ids": torch.from_numpy(ids), "targets": torch.from_numpy(targets)}
        if lengths.min() < ids.shape[1]:
            is_token = np.arange(ids.shape[1]) < lengths[:, None]
            batch["attention_mask"] = torch.from_numpy(is_token)
        return batch


def is_taught(targets: torch.Tensor) -> torch.Tensor:
    """(batch,) flags of targets (batch, width) that are not zeros."""
    return targets.any(dim=1)
