"""Sequences longer than a model reads: windows that overlap, and one embedding of them all."""

from collections.abc import Sequence

import numpy as np


def cut(sequences: Sequence[str], longest: int, overlap: int) -> tuple[list[str], np.ndarray]:
    """Windows of n sequences, evenly spread, and which sequence each is of (m,).

    Args:
        longest: nucleotides in a window.
        overlap: least that a window shares with the one before.
    """
    windows, rows = [], []
    for row, sequence in enumerate(sequences):
        count = max(1, -(-(len(sequence) - overlap) // (longest - overlap)))
        last = max(len(sequence) - longest, 0)
        for start in np.linspace(0, last, count).round().astype(int).tolist():
            windows.append(sequence[start : start + longest])
            rows.append(row)
    return windows, np.array(rows)


def merge(embeddings: np.ndarray, windows: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """(m, dim) of windows -> (n, dim): the mean, by the nucleotides that each window has."""
    lengths = np.array([len(window) for window in windows], dtype=np.float64)[:, None]
    total = np.zeros((int(rows.max(initial=-1)) + 1, embeddings.shape[1]))
    weight = np.zeros((len(total), 1))
    np.add.at(total, rows, lengths * embeddings)
    np.add.at(weight, rows, lengths)
    return (total / np.maximum(weight, 1)).astype(np.float32)
