"""Frequencies of overlapping k-mers: the plain yardstick."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from barcodemae.encoders import Options
from barcodemae.encoders.corruption import Corruption
from barcodemae.errors import BarcodeMAEError

MAX_K = 12
_DENSE_K = 6  # 4096 columns
_DIGITS = np.full(256, 4, dtype=np.int64)
for _digit, _letters in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
    _DIGITS[list(_letters)] = _digit


class KmerFrequencies:
    """Each barcode as the frequencies of its overlapping k-mers, in ACGT order.

    A k-mer with anything but ACGT is not counted. Vectors are dense to k = 6, sparse above.

    Args:
        k: 1 to 12.
    """

    corruptions: tuple[str, ...] = ("drop",)
    num_offsets, knows_frames = 1, False  # overlapping k-mers know no reading frame
    finds_region = False

    def __init__(self, k: int):
        if not 1 <= k <= MAX_K:
            raise BarcodeMAEError(f"kmer:{k}: k is an integer from 1 to {MAX_K}")
        self.k = k
        self.fingerprint = f"kmer-frequencies-{k}"
        self.settings = {"encoder": f"overlapping {k}-mer frequencies", "dimensions": 4**k}

    def embed(
        self,
        sequences: Sequence[str],
        offset: int = 0,
        corruption: Corruption | None = None,
        starts: np.ndarray | None = None,
    ) -> np.ndarray | sparse.csr_matrix:
        """(n, 4^k) float32; zeros for a barcode without a k-mer. `offset` nucleotides are cut."""
        k, joined = self.k, "#".join(sequence[offset:] for sequence in sequences)
        # One more separator, so that every barcode ends with one.
        digits = _DIGITS[np.frombuffer((joined + "#" * k).encode("ascii", "replace"), np.uint8)]
        values = np.zeros(len(digits) - k + 1, dtype=np.int64)
        ambiguous = np.zeros(len(values), dtype=bool)
        for shift in range(k):
            window = digits[shift : shift + len(values)]
            values = 4 * values + window
            ambiguous |= window == 4
        spans = [len(sequence[offset:]) + 1 for sequence in sequences]  # windows that begin in each
        rows = np.repeat(np.arange(len(sequences)), spans)[: len(values)]
        if corruption is not None:
            ambiguous |= self._dropped(corruption, sequences, spans)[: len(values)]
        kept = ~ambiguous
        counts = sparse.coo_matrix(
            (np.ones(kept.sum(), dtype=np.float32), (rows[kept], values[kept])),
            shape=(len(sequences), 4**k),
        ).tocsr()
        totals = np.asarray(counts.sum(axis=1)).ravel()
        counts.data /= np.repeat(totals, np.diff(counts.indptr))
        return counts.toarray() if k <= _DENSE_K else counts

    def _dropped(self, corruption: Corruption, sequences, spans: list[int]) -> np.ndarray:
        windows = [max(span - self.k, 0) for span in spans]
        masked = corruption.masked(sequences, windows)
        flags = [
            np.pad(row[:count], (0, span - count))
            for row, count, span in zip(masked, windows, spans, strict=True)
        ]
        return np.concatenate(flags)


def from_spec(detail: str, options: Options) -> KmerFrequencies:
    """ "6" -> frequencies of 6-mers."""
    return KmerFrequencies(int(detail) if detail.isdecimal() else 0)
