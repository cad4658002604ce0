"""How well masked k-mers are named on held-out barcodes, by the model and by a guess."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from barcodemae.encoders.tokens import token_batch


def correct_masked_tokens(output, labels: torch.Tensor) -> torch.Tensor:
    """() number of masked k-mers whose likeliest k-mer is the true one."""
    targets = labels.long().gather(1, output.predicted_positions)  # (batch, predicted)
    return (output.logits.argmax(dim=-1) == targets).sum()


def context_free_guess(training: Sequence[str], validation: Iterable[dict], kmer_size: int) -> dict:
    """Loss and accuracy of the best guess that ignores the barcode: k-mer frequencies by position.

    Frequencies at a position are smoothed towards those of all positions, with the weight that
    suits the validation barcodes best: the guess is given every advantage.
    """
    ids = token_batch(training, kmer_size).ids
    counts = np.zeros((ids.shape[1], 4**kmer_size))
    for position, kmers in enumerate(ids.T):
        np.add.at(counts[position], kmers[kmers < 4**kmer_size], 1)
    everywhere = (counts.sum(axis=0) + 1) / (counts.sum() + 4**kmer_size)  # (k-mers,)

    positions, kmers = [], []
    for batch in validation:
        labels = batch["labels"].numpy()
        positions.append((labels != -100).nonzero()[1])
        kmers.append(labels[labels != -100])
    position = np.minimum(np.concatenate(positions), len(counts) - 1)
    kmer = np.concatenate(kmers).astype(int)
    here = counts.sum(axis=1)  # (positions,)
    losses = [
        -np.log(
            (counts[position, kmer] + weight * everywhere[kmer]) / (here[position] + weight)
        ).mean()
        for weight in (1, 10, 100, 1000, 10_000)
    ]
    likeliest = (counts + everywhere).argmax(axis=1)  # (positions,)
    accuracy = (likeliest[position] == kmer).mean()
    return {"loss": float(min(losses)), "accuracy": float(accuracy)}
