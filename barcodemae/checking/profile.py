"""Insertions and losses by a profile HMM of the COI barcode region (HMMER, through pyhmmer).

The shipped profile has a match state for each of the grid's 658 columns; it was made from public
barcodes of six phyla by `train/enbed/coi_profile.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from pyhmmer.easel import Alphabet, DigitalSequenceBlock, TextSequence
from pyhmmer.plan7 import HMM, HMMFile, TraceAligner

INSERTION, DELETION = "insertion", "deletion"
_COI = Path(__file__).with_name("coi.hmm")
_LEAST_FLANK = 10  # aligned nucleotides on either side, without which a gap is only a ragged end


@dataclass
class Break:
    """A place where nucleotides are extra or missing.

    Attributes:
        kind: INSERTION or DELETION.
        at: place in the barcode of the first extra nucleotide, or of the one after the loss.
        column: the grid's column of the nucleotide after it, or of the first one lost.
        length: how many nucleotides.
        probability: the alignment's mean posterior next to it.
        by_group: whether the barcode's group of like ones tells it, and not the alignment.
    """

    kind: str
    at: int
    column: int
    length: int
    probability: float
    by_group: bool = False

    @property
    def shifts_frame(self) -> bool:
        return self.length % 3 != 0


@dataclass
class Alignment:
    """A barcode on the profile.

    Attributes:
        columns: (n,) int64, the column of each nucleotide; -1 where extra or outside.
        breaks: insertions and losses inside, from front to back.
    """

    columns: np.ndarray
    breaks: list[Break]


def no_alignment() -> Alignment:
    """Of a record that has no place on the profile."""
    return Alignment(np.zeros(0, dtype=np.int64), [])


@cache
def coi_profile() -> HMM:
    """The shipped profile, read once."""
    with HMMFile(_COI) as file:
        profile = next(iter(file))
    return profile


@cache
def consensus() -> np.ndarray:
    """(658, 4) the share of A, C, G, T in each column of the profile."""
    return np.array(coi_profile().match_emissions)[1:]


def align(barcodes: Sequence[str]) -> list[Alignment]:
    """Align n barcodes (upper case, IUPAC letters, not empty, turned forward) to the profile."""
    if not barcodes:
        return []
    alphabet = Alphabet.dna()
    block = DigitalSequenceBlock(
        alphabet,
        [
            TextSequence(name=str(i).encode(), sequence=barcode).digitize(alphabet)
            for i, barcode in enumerate(barcodes)
        ],
    )
    aligner = TraceAligner(posteriors=True)
    traces = aligner.compute_traces(coi_profile(), block)
    rows = aligner.align_traces(coi_profile(), block, traces, all_consensus_cols=True).alignment
    return [
        _read(np.frombuffer(row.encode(), dtype=np.uint8), np.array(trace.posterior_probabilities))
        for row, trace in zip(rows, traces, strict=True)
    ]


def _read(row: np.ndarray, posteriors: np.ndarray) -> Alignment:
    """A row: capitals and - in columns, small letters and . between them."""
    is_lower = (row >= ord("a")) & (row <= ord("z"))
    is_column = (row == ord("-")) | ((row >= ord("A")) & (row <= ord("Z")))
    column_of = np.cumsum(is_column) - 1
    is_letter = is_lower | (is_column & (row != ord("-")))
    columns = np.where(is_lower, -1, column_of)[is_letter]
    posteriors = posteriors[posteriors > 0]  # states that hold no nucleotide have none
    if len(posteriors) != len(columns):
        posteriors = np.ones(len(columns))
    return Alignment(columns, _breaks(columns, posteriors))


def _breaks(columns: np.ndarray, posteriors: np.ndarray) -> list[Break]:
    aligned = np.flatnonzero(columns >= 0)
    if not len(aligned):
        return []
    before, after = aligned[:-1], aligned[1:]
    extra = after - before - 1
    lost = columns[after] - columns[before] - 1
    breaks = []
    for i in np.flatnonzero((extra > 0) | (lost > 0)):
        if min(i + 1, len(aligned) - 1 - i) < _LEAST_FLANK:
            continue
        sides = posteriors[max(before[i] - 2, 0) : after[i] + 3]
        # As many extra as lost are not an indel, but letters that fit badly.
        length = int(extra[i] - lost[i])
        if length > 0:
            at, kind = int(before[i]) + 1, INSERTION
        elif length < 0:
            at, kind = int(after[i]), DELETION
        else:
            continue
        column = int(columns[before[i]]) + 1
        breaks.append(Break(kind, at, column, abs(length), float(sides.mean())))
    return breaks
