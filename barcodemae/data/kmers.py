"""Vectorised tokenization: the ids that `BarcodeMAETokenizer` gives, for whole batches at once."""

import re
from collections.abc import Sequence

import numpy as np

_SPOILT, _WHITE_SPACE = 4, 5
# Nucleotide byte -> base-4 digit.
_DIGITS = bytearray([_SPOILT] * 256)
for _digit, _letters in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
    for _letter in _letters:
        _DIGITS[_letter] = _digit
for _letter in b" \t\n\r\v\f":
    _DIGITS[_letter] = _WHITE_SPACE
_HAS_SPACE = re.compile(r"\s").search


def kmer_ids(
    sequences: Sequence[str],
    kmer_size: int,
    offset: int | Sequence[int] = 0,
    max_length: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut barcodes into non-overlapping k-mers and look up their ids.

    Equal to `BarcodeMAETokenizer` on any barcode (text without "[MASK]" or "[UNK]"): white space
    is ignored, lower case and U are read as ACGT, anything else makes its own k-mer [UNK], an
    incomplete last k-mer is dropped.

    Args:
        sequences: n barcodes.
        kmer_size: nucleotides in a token, k.
        offset: nucleotides dropped from the front of each barcode before cutting, one number or
            (n,): the frame-shift augmentation of section 2.2.2.
        max_length: most tokens kept of a barcode; None: all.

    Returns:
        ids (n, longest), int32, filled up with [UNK] = 4^k; lengths (n,), int64, in tokens.
    """
    unknown = 4**kmer_size
    if np.any(offset) and any(map(_HAS_SPACE, sequences)):
        sequences = _plain(sequences)
    starts = np.broadcast_to(offset, len(sequences))
    nucleotides = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    lengths = np.maximum(nucleotides - starts, 0) // kmer_size
    if max_length is not None:
        lengths = np.minimum(lengths, max_length)
    ends = (starts + lengths * kmer_size).tolist()
    in_frame = "".join(
        [text[start:end] for text, start, end in zip(sequences, starts.tolist(), ends, strict=True)]
    )
    if not in_frame.isascii():
        # One byte a character, so that an odd letter spoils one k-mer and shifts nothing.
        return kmer_ids(_plain(sequences), kmer_size, offset, max_length)
    digits = np.frombuffer(in_frame.encode("ascii").translate(_DIGITS), dtype=np.uint8)
    if digits.max(initial=0) == _WHITE_SPACE:
        return kmer_ids(_plain(sequences), kmer_size, offset, max_length)

    # float32 for the sake of BLAS: exact, since every value is below 2^24.
    powers = (4.0 ** np.arange(kmer_size - 1, -1, -1)).astype(np.float32)
    digits = digits.reshape(-1, kmer_size)  # (tokens, k)
    values = (digits.astype(np.float32) @ powers).astype(np.int32)
    if digits.max(initial=0) == _SPOILT:
        values[(digits == _SPOILT).any(axis=1)] = unknown
    width = int(lengths.max(initial=0))
    if lengths.min(initial=width) == width:
        return values.reshape(len(sequences), width), lengths
    ids = np.full((len(sequences), width), unknown, dtype=np.int32)
    ids[np.arange(width) < lengths[:, None]] = values
    return ids, lengths


def _plain(sequences: Sequence[str]) -> list[str]:
    return [
        re.sub(r"\s", "", sequence).encode("ascii", errors="replace").decode()
        for sequence in sequences
    ]
