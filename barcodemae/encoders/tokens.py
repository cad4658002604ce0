"""Vectorised tokenization: the ids that `BarcodeMAETokenizer` gives, for whole batches at once.

What it costs is memory traffic, a byte at a time. So the letters are looked up two by two where k
is even (half as many look-ups), and whatever is no k-mer takes no branch: its letters count as 4^k
and more, which one minimum turns into [UNK].
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from grid_barcodemae import MAX_NUCLEOTIDES, UNKNOWN, UNKNOWN_END, Grid

_HAS_SPACE = re.compile(r"\s").search
_AT_ONCE = 256  # barcodes; more at a time fall out of the processor's cache


def most_tokens(kmer_size: int) -> int:
    """Tokens that fit in the 660 nucleotides which are read of a barcode."""
    return MAX_NUCLEOTIDES // kmer_size


@dataclass
class TokenBatch:
    """What an encoder reads of n barcodes.

    Attributes:
        ids: (n, longest) int32, filled up with [UNK].
        lengths: (n,) int64, tokens of each barcode; 0: it has none.
        first: (n,) positions of the first tokens; None: 0.
        turned: number of barcodes that were laid on the grid as their reverse complements.
    """

    ids: np.ndarray
    lengths: np.ndarray
    first: np.ndarray | None = None
    turned: int = 0

    @property
    def is_token(self) -> np.ndarray:
        """(n, longest) bool, False at what only fills a row up."""
        return np.arange(self.ids.shape[1]) < self.lengths[:, None]


def batches_of_like_length(lengths: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Row numbers, longest barcodes first (what fits in memory then shows at once)."""
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def token_batch(
    sequences: Sequence[str],
    kmer_size: int,
    offset: int | np.ndarray = 0,
    starts: np.ndarray | None = None,
    grid: Grid | None = None,
) -> TokenBatch:
    """The one way in which barcodes become tokens, in training as in embedding.

    Args:
        sequences: n barcodes; 660 nucleotides of each are read.
        kmer_size: nucleotides in a token.
        offset: nucleotides dropped from the front of each barcode, one number or (n,).
        starts: (n,) places of the first nucleotides among those of a whole barcode: all are cut in
            its frame then, and keep its positions. None: each begins at 0.
        grid: that barcodes are laid on; then neither offset nor starts count.
    """
    if grid is not None:
        codes, placements = grid.lay(sequences)
        ids = grid_ids(codes, kmer_size)
        lengths = np.where(placements.placed, ids.shape[1], 0)
        return TokenBatch(ids, lengths, turned=int((placements.strand < 0).sum()))
    longest = most_tokens(kmer_size)
    if starts is None:
        return TokenBatch(*kmer_ids(sequences, kmer_size, offset, longest))
    begin = starts - offset
    dropped = np.where(begin < 0, -begin, -begin % kmer_size)
    first = (begin + dropped) // kmer_size
    ids, lengths = kmer_ids(sequences, kmer_size, dropped, longest)
    return TokenBatch(ids, np.clip(longest - first, 0, lengths), first)


def byte_batch(
    sequences: Sequence[str],
    kmer_size: int = 1,
    offset: int | np.ndarray = 0,
    starts: np.ndarray | None = None,
    grid: Grid | None = None,
) -> TokenBatch:
    """The same for ENBED: a token for each nucleotide, then </s>; 16,383 of each are read.

    `kmer_size` is 1, and ENBED has no frame to keep and no grid: `starts` and `grid` are None.
    """
    tokenizer = _enbed_tokenizer()
    longest = tokenizer.model_max_length - 1
    offsets = np.broadcast_to(offset, len(sequences)).tolist()
    texts = [
        "".join(sequence.split())[drop:][:longest]
        for sequence, drop in zip(sequences, offsets, strict=True)
    ]
    batch = tokenizer.batch([_plain([text])[0] for text in texts])
    lengths = batch["attention_mask"].sum(axis=1)
    return TokenBatch(batch["input_ids"].astype(np.int32), np.where(lengths > 1, lengths, 0))


@cache
def _enbed_tokenizer():
    from enbed import EnbedTokenizer

    return EnbedTokenizer()


def kmer_ids(
    sequences: Sequence[str],
    kmer_size: int,
    offset: int | Sequence[int] | np.ndarray = 0,
    max_length: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut barcodes into non-overlapping k-mers and look up their ids.

    Equal to `BarcodeMAETokenizer` on any barcode (text without "[MASK]" or "[UNK]"): white space
    is ignored, lower case and U are read as ACGT, N and gaps at the end are dropped, anything else
    makes its own k-mer [UNK], an incomplete last k-mer is dropped.

    Args:
        sequences: n barcodes.
        kmer_size: nucleotides in a token, k.
        offset: nucleotides dropped from the front of each barcode before cutting, one number or
            (n,): the frame-shift augmentation of section 2.2.2.
        max_length: most tokens kept of a barcode; None: all.

    Returns:
        ids (n, longest), int32, filled up with [UNK] = 4^k; lengths (n,), int64, in tokens.
    """
    sequences = [sequence.rstrip(UNKNOWN_END) for sequence in sequences]
    starts = np.empty(len(sequences), dtype=np.int64)
    starts[:] = offset
    if starts.any():
        dropped = [text[:start] for text, start in zip(sequences, starts.tolist(), strict=True)]
        if _HAS_SPACE("".join(dropped)):
            return kmer_ids(_plain(sequences), kmer_size, offset, max_length)
    nucleotides = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    lengths = np.maximum(nucleotides - starts, 0) // kmer_size
    if max_length is not None:
        lengths = np.minimum(lengths, max_length)
    ids = np.empty((len(sequences), lengths.max(initial=0)), dtype=np.int32)
    ends = starts + lengths * kmer_size
    for first in range(0, len(sequences), _AT_ONCE):
        rows = slice(first, first + _AT_ONCE)
        frames = zip(sequences[rows], starts[rows].tolist(), ends[rows].tolist(), strict=True)
        if not _fill(ids[rows], frames, kmer_size):
            return kmer_ids(_plain(sequences), kmer_size, offset, max_length)
    return ids, lengths


def grid_ids(codes: np.ndarray, kmer_size: int) -> np.ndarray:
    """Ids of the k-mers of barcodes on a grid: those of a `BarcodeMAETokenizer` with that grid.

    Args:
        codes: (n, length) uint8, as `Grid.lay` returns them.
        kmer_size: nucleotides in a token, k.

    Returns:
        (n, length // k) int32; [UNK] = 4^k where a nucleotide is unknown.
    """
    kmers = codes.shape[1] // kmer_size
    digits = codes[:, : kmers * kmer_size].reshape(-1, kmer_size)
    ids = digits.astype(np.float32) @ _powers(4, kmer_size)
    ids[(digits == UNKNOWN).any(axis=1)] = 4**kmer_size
    return ids.astype(np.int32).reshape(len(codes), kmers)


def _fill(ids: np.ndarray, frames: Iterable[tuple[str, int, int]], kmer_size: int) -> bool:
    """Write the ids of texts (text, start, end) to `ids`; False where a text is not plain."""
    width = ids.shape[1] * kmer_size
    text = "".join([text[start:end].ljust(width, "N") for text, start, end in frames])
    if not text.isascii():
        return False
    kind, table, powers = _lookup(kmer_size)
    letters = np.frombuffer(text.encode("ascii"), dtype=kind)
    # "wrap" spares the test of every index, and no index can be out of range.
    with np.errstate(invalid="ignore"):  # of infinity, that of letters which are not plain
        values = table.take(letters, mode="wrap").reshape(-1, len(powers)) @ powers
    highest = values.max(initial=0)
    if not highest < np.inf:
        return False
    if highest > 4**kmer_size:
        np.minimum(values, 4**kmer_size, out=values)
    ids[...] = values.reshape(ids.shape)
    return True


@cache
def _lookup(kmer_size: int) -> tuple[np.dtype, np.ndarray, np.ndarray]:
    """Integer type of one or two letters, their value in base 4, and the places of the values.

    White space is infinite. float32 for the sake of BLAS: exact, since every value that is not
    cut off is below 2^24.
    """
    digits = np.full(256, 4**kmer_size, dtype=np.float32)
    for digit, spellings in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
        digits[list(spellings)] = digit
    digits[list(b" \t\n\r\v\f\x1c\x1d\x1e\x1f")] = np.inf  # as `str.split` has it
    step = 2 if kmer_size % 2 == 0 else 1
    letters = np.arange(256**step, dtype=f"u{step}")
    table = digits[letters.view(np.uint8).reshape(-1, step)] @ _powers(4, step)
    return letters.dtype, table, _powers(4**step, kmer_size // step)


def _powers(base: int, count: int) -> np.ndarray:
    return (float(base) ** np.arange(count - 1, -1, -1)).astype(np.float32)


def _plain(sequences: Sequence[str]) -> list[str]:
    """Without white space, one byte a character: an odd letter makes one k-mer ambiguous."""
    return [
        re.sub(r"\s", "", sequence).encode("ascii", errors="replace").decode()
        for sequence in sequences
    ]
