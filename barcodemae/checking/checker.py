"""What is wrong with barcodes: a verdict for each, from three that speak for themselves.

Stop codons in the frame of the grid; insertions and losses against a profile HMM and, near the
ends, against like barcodes, which also tell a nucleotide that hardly any of them has; and, where
its weights are at hand, the edit tags of an ENBED.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from Bio.Seq import reverse_complement

from barcodemae.checking.ends import with_ends
from barcodemae.checking.groups import Groups, coi_groups
from barcodemae.checking.profile import DELETION, INSERTION, Alignment, align, no_alignment
from barcodemae.checking.stops import find_stops
from barcodemae.checking.tags import INSERT, REPLACE
from barcodemae.data.grid import coi_grid
from grid_barcodemae import UNKNOWN, nucleotide_codes

CLEAN, REVERSED, NOT_COI, NUMT = "clean", "reversed", "not COI", "NUMT suspected"
STOP, SUBSTITUTION = "stop codon", "substitution suspected"
VERDICTS = (CLEAN, INSERTION, DELETION, SUBSTITUTION, STOP, REVERSED, NOT_COI, NUMT)
BY_STOPS, BY_PROFILE, BY_GROUPS, BY_TAGS = "stop codons", "profile", "like barcodes", "tags"

# A pseudogene collects frame shifts and stop codons; a sequencer seldom makes so many.
_NUMT_SIGNS = 3
_FLANK = 30  # nucleotides kept beside the region, for the profile to find its ends in
_AT_ONCE = 256
_ERROR_RATE = 2e-4  # substitutions in a nucleotide of consensus barcodes
_NOT_A_LETTER = re.compile("[^ACGTRYKMSWBDHVN]")


@dataclass
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: INSERTION, DELETION, STOP or SUBSTITUTION.
        at: place in the record, forward, from 0.
        column: place on the grid, from 0.
        length: nucleotides extra, lost or concerned.
        probability: how sure the one that says it is, 0 to 1.
        said_by: BY_STOPS, BY_PROFILE, BY_GROUPS or BY_TAGS.
    """

    kind: str
    at: int
    column: int
    length: int
    probability: float
    said_by: str


@dataclass
class Checked:
    """A record that was looked at.

    Attributes:
        verdict: one of VERDICTS; of several things wrong the gravest.
        problems: all that is wrong, from front to back.
        barcode: the record, forward (turned where it was reversed), upper case.
        offset: nucleotides before the part that was looked at.
        codes: (n,) the part that was looked at; empty where it is not COI.
        alignment: of that part; empty where it is not COI.
        surprise: log of the odds that one of its nucleotides is misread, before it is known how
            often any is; comparable between barcodes. NaN where it is not COI.
        tags: (n + 1, 10) probabilities of edit tags; None without an ENBED, and where it is not
            asked.
    """

    verdict: str
    problems: list[Problem]
    is_reversed: bool
    barcode: str
    offset: int = 0
    codes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    alignment: Alignment = field(default_factory=no_alignment)
    surprise: float = np.nan
    tags: np.ndarray | None = None

    @property
    def probability(self) -> float:
        """Of the surest problem; 0 where there is none."""
        return max((problem.probability for problem in self.problems), default=0.0)


def check(
    barcodes: Sequence[str],
    phyla: Sequence[str | None] | None = None,
    tagger=None,
    groups: Groups | None = None,
) -> list[Checked]:
    """Look at n barcodes of any length, either strand.

    Args:
        phyla: (n,) for the genetic code; None where unknown.
        tagger: a `Tagger`; None: without edit tags.
        groups: of like barcodes; default: those shipped.
    """
    groups = groups or coi_groups()
    phyla = phyla or [None] * len(barcodes)
    found = []
    for first in range(0, len(barcodes), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        found += _check_some(barcodes[part], phyla[part], tagger, groups)
    return found


def _check_some(barcodes, phyla, tagger, groups) -> list[Checked]:
    texts = [_plain(barcode) for barcode in barcodes]
    placements = coi_grid().place(texts)
    checked = []
    for row, text in enumerate(texts):
        turned = placements.strand[row] < 0
        forward = reverse_complement(text) if turned else text
        checked.append(Checked(CLEAN, [], bool(turned), forward))
        if not placements.placed[row]:
            checked[-1].verdict = NOT_COI
    looked_at = [row for row, item in enumerate(checked) if item.verdict != NOT_COI]
    length, windows = coi_grid().length, []
    for row in looked_at:
        start = int(placements.start[row])
        checked[row].offset = max(-start - _FLANK, 0)
        end = max(length - start + _FLANK, checked[row].offset + 1)
        windows.append(checked[row].barcode[checked[row].offset : end])
    for row, window, alignment in zip(looked_at, windows, align(windows), strict=True):
        checked[row].codes = nucleotide_codes([window])[0, : len(window)]
        checked[row].alignment = alignment
    surprise = _look_among_like_ones([checked[row] for row in looked_at], groups)
    if tagger is not None:
        doubtful = [checked[row] for row in looked_at]
        if not tagger.speaks_alone:
            doubtful = [item for item in doubtful if item.alignment.breaks]
        _add_tags(doubtful, tagger)
    for row, odds in zip(looked_at, surprise, strict=True):
        _judge(checked[row], phyla[row], tagger, odds)
    return checked


def on_grid(some: list[Checked]) -> np.ndarray:
    """(n, 658) codes of aligned records at their columns; 4 where there are none."""
    rows = np.full((len(some), coi_grid().length), UNKNOWN, dtype=np.uint8)
    for row, item in zip(rows, some, strict=True):
        aligned = item.alignment.columns >= 0
        row[item.alignment.columns[aligned]] = item.codes[aligned]
    return rows


def _look_among_like_ones(some: list[Checked], groups: Groups) -> np.ndarray:
    """Add breaks near the ends, and how surprising each barcode is among like ones.

    Returns:
        (n, 658) odds of a nucleotide, 0 where they are not too great.
    """
    rows = on_grid(some)
    if not some:
        return np.zeros(rows.shape, dtype=np.float32)
    expected = groups.expected(rows)
    for item, own in zip(some, expected[0], strict=True):
        item.alignment.breaks = with_ends(item.codes, item.alignment, own, groups.least_shift)
    odds = groups.surprise(rows, expected)
    for item, row in zip(some, odds, strict=True):
        item.surprise = float(np.log(row.sum() / max(np.count_nonzero(row), 1) + 1e-9))
    return np.where(odds >= groups.least_surprise, odds, 0)


def _plain(barcode: str) -> str:
    text = "".join(barcode.split()).upper().replace("U", "T").replace("-", "")
    return _NOT_A_LETTER.sub("N", text)


def _add_tags(some: list[Checked], tagger) -> None:
    starts = []
    for item in some:
        columns = item.alignment.columns
        aligned = np.flatnonzero(columns >= 0)
        starts.append(int(columns[aligned[0]] - aligned[0]) if len(aligned) else 0)
    for item, tags in zip(some, tagger.tag([i.codes for i in some], starts), strict=True):
        item.tags = tags


def _judge(item: Checked, phylum: str | None, tagger, surprise: np.ndarray) -> None:
    columns = item.alignment.columns
    problems = [
        Problem(
            b.kind,
            b.at,
            b.column,
            b.length,
            b.probability,
            BY_GROUPS if b.by_group else BY_PROFILE,
        )
        for b in item.alignment.breaks
        if b.shifts_frame
    ]
    problems += [
        Problem(STOP, at, int(columns[at]), 3, 1.0, BY_STOPS)
        for at in find_stops(item.codes, columns, phylum)
    ]
    problems += _surprising(columns, surprise)
    if item.tags is not None:
        problems += _by_tags(item, item.tags, tagger.least_to_flag)
    for problem in problems:
        problem.at += item.offset
    item.problems = sorted(problems, key=lambda problem: (problem.at, problem.said_by))
    item.verdict = _gravest(item)


def _surprising(columns: np.ndarray, surprise: np.ndarray) -> list[Problem]:
    """Nucleotides that hardly any like barcode has."""
    problems = []
    for column in np.flatnonzero(surprise):
        odds = float(surprise[column]) * _ERROR_RATE
        at = int(np.flatnonzero(columns == column)[0])
        share = odds / (1 + odds)
        problems.append(Problem(SUBSTITUTION, at, int(column), 1, share, BY_GROUPS))
    return problems


def _by_tags(item: Checked, tags: np.ndarray, least_probability: float) -> list[Problem]:
    """What the tags say in the region, where they are sure; an unknown letter is no error."""
    probabilities = 1 - tags[:, 0]
    problems = []
    columns = np.append(item.alignment.columns, -1)
    for at in np.flatnonzero(probabilities >= least_probability):
        if at < len(item.codes) and item.codes[at] > 3:
            continue
        tag = int(tags[at, 1:].argmax()) + 1
        kind = DELETION if tag >= INSERT else SUBSTITUTION if tag >= REPLACE else INSERTION
        near = columns[max(at - 3, 0) : at + 1]
        column = int(near.max()) if len(near) else -1
        if column >= 0:
            problems.append(Problem(kind, int(at), column, 1, float(probabilities[at]), BY_TAGS))
    return problems


def _gravest(item: Checked) -> str:
    kinds = [problem.kind for problem in item.problems]
    breaks = sum(p.kind in (INSERTION, DELETION) and p.said_by == BY_PROFILE for p in item.problems)
    stops = kinds.count(STOP)
    if stops and stops + breaks >= _NUMT_SIGNS:
        return NUMT
    first_break = next((kind for kind in kinds if kind in (INSERTION, DELETION)), None)
    if first_break:
        return first_break
    for kind in (STOP, SUBSTITUTION):
        if kind in kinds:
            return kind
    return REVERSED if item.is_reversed else CLEAN
