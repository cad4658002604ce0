"""Which k-mers are masked: barcodes -> the batch that `BarcodeMAEForMaskedLM` reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from barcodemae.encoders.tokens import most_tokens, token_batch
from train.loop.draws import MASK_RATIO, batch_generator, random_bits


class MaskingCollator:
    """Tokenize barcodes and mask a share of each one's real k-mers.

    Exactly round(mask ratio x k-mers) of a barcode's real k-mers are masked, never an ambiguous
    one ([UNK]) and never padding. Everything random follows from `seed` and the draw's number.

    Args:
        kmer_size: nucleotides in a token, k.
        mask_ratio: share of the real k-mers to mask, in (0, 1); a pair: drawn uniformly between
            the two for each global batch, all of whose barcodes share it.
        seed: of masks, offsets and ratios.
        random_offset: drop 0 to k-1 nucleotides from the front, the frame-shift augmentation of
            section 2.2.2; else cut at offset 0.
        replace: of the chosen k-mers, show 10 % as they are and 10 % as a random k-mer, as BERT
            does; else mask all of them.
        end: draws from this number on only fill up a batch: they carry no labels.
        global_batch: draws in a global batch; what is collated together is of one of them.

    Attributes:
        mask_ratios: the lowest and the highest ratio that there can be.
    """

    def __init__(
        self,
        kmer_size: int,
        mask_ratio: float | Sequence[float],
        seed: int,
        random_offset: bool = True,
        replace: bool = False,
        end: int | None = None,
        global_batch: int = 1,
    ):
        self.kmer_size = kmer_size
        self.mask_ratios = tuple(np.broadcast_to(mask_ratio, 2).tolist())
        self.seed = seed
        self.random_offset = random_offset
        self.replace = replace
        self.end = end
        self.global_batch = global_batch

    def __call__(self, items: Sequence[tuple[int, str]]) -> dict[str, torch.Tensor | int]:
        """Collate (draw, nucleotides) pairs.

        Returns:
            input_ids and labels (batch, length) of the smallest integer type that holds them;
            attention_mask (batch, length), left out where every barcode has as many tokens and as
            many visible ones as the others; num_visible and num_predicted, the most in a row.
        """
        draws, barcodes = zip(*items, strict=True)
        longest = most_tokens(self.kmer_size)
        bits = random_bits(self.seed, np.array(draws), 2 * longest + 1)
        offsets = (bits[:, 0] % self.kmer_size).astype(int) if self.random_offset else 0
        ids, is_token = self.cut(np.array(draws), barcodes, offsets)
        length = ids.shape[1]
        num_kmers = 4**self.kmer_size
        mask_id = num_kmers + 1

        is_kmer = ids < num_kmers  # (batch, length)
        chosen = self._choose(is_kmer, bits[:, 1 : length + 1], self._ratio(draws[0]))
        masked, shown = chosen, ids
        if self.replace:
            fate = bits[:, longest + 1 : longest + 1 + length]
            masked = chosen & (fate % 10 < 8)
            random_kmers = (fate // 10 % num_kmers).astype(ids.dtype)
            shown = np.where(chosen & (fate % 10 == 8), random_kmers, ids)
        input_ids = np.where(masked, mask_id, shown)
        labels = np.where(chosen, ids, -100)
        if self.end is not None:
            labels[np.array(draws) >= self.end] = -100

        visible = (is_token & ~masked).sum(axis=1)
        smallest = torch.int16 if mask_id <= torch.iinfo(torch.int16).max else torch.int32
        batch = {
            "input_ids": torch.from_numpy(input_ids).to(smallest),
            "labels": torch.from_numpy(labels).to(smallest),
            "num_visible": int(visible.max(initial=0)),
            "num_predicted": int(chosen.sum(axis=1).max(initial=0)),
        }
        if not (is_token.all() and (visible == visible[0]).all()):
            batch["attention_mask"] = torch.from_numpy(is_token)
        return batch

    def cut(
        self, draws: np.ndarray, barcodes: Sequence[str], offsets: np.ndarray | int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Token ids (batch, length), and whether each is a token of its barcode."""
        tokens = token_batch(barcodes, self.kmer_size, offsets)
        return tokens.ids, tokens.is_token

    def _ratio(self, draw: int) -> float:
        """The mask ratio of the global batch that the draw belongs to."""
        batch = draw // self.global_batch
        return batch_generator(self.seed, batch, MASK_RATIO).uniform(*self.mask_ratios)

    def _choose(self, is_kmer: np.ndarray, bits: np.ndarray, ratio: float) -> np.ndarray:
        """Of each row's real k-mers, exactly the share to predict: (batch, length) flags."""
        # Real k-mers in random order, then everything else.
        order = np.where(is_kmer, bits >> np.uint64(1), ~np.uint64(0)).argsort(axis=1)
        count = np.rint(ratio * is_kmer.sum(axis=1)).astype(int)
        chosen = np.zeros_like(is_kmer)
        np.put_along_axis(chosen, order, np.arange(order.shape[1]) < count[:, None], axis=1)
        return chosen
