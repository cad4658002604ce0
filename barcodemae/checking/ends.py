"""Insertions and losses so near an end of a barcode that the profile takes them for a ragged end.

The group of like barcodes tells them: the nucleotides at the end fit it better one column further
on or back, and by how much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from barcodemae.checking.profile import DELETION, INSERTION, Alignment, Break

_NEAR = 30  # aligned nucleotides from an end, up to which the group is asked
_FEWEST = 4  # nucleotides that may shift
_SHIFTS = (-1, 1)


@dataclass
class Shift:
    """Nucleotides at an end that fit better elsewhere.

    Attributes:
        odds: log-odds against their standing where the rest puts them.
        by: columns further on.
        at, column: of the innermost of them, in the barcode and where the rest puts it.
        anchor: place in the barcode from which the rest begins.
    """

    odds: float
    by: int
    at: int
    column: int
    anchor: int


def with_ends(
    codes: np.ndarray, alignment: Alignment, expected: np.ndarray, least: float
) -> list[Break]:
    """The breaks of an alignment, and those near an end that it has not.

    Args:
        codes: (n,) of the barcode, forward.
        expected: (658, 4) log-probabilities in its group, as `Groups.expected` gives them.
        least: log-odds from which a shift is believed.
    """
    breaks = alignment.breaks
    for at_front in (True, False):
        best = best_shift(codes, alignment.columns, expected, at_front)
        if best is None or best.odds < least:
            continue
        beyond = (b.at <= best.anchor if at_front else b.at > best.anchor for b in breaks)
        if not any(beyond):
            breaks = [*breaks, _break(best, at_front)]
    return sorted(breaks, key=lambda found: found.at)


def _break(best: Shift, at_front: bool) -> Break:
    # What stands further on than it should, seen from the middle, has lost nucleotides after it.
    is_extra = (best.by > 0) == at_front
    if at_front:
        at, column = best.at + 1, best.column + 2 * is_extra
    else:
        at, column = best.at - is_extra, best.column - is_extra
    kind = INSERTION if is_extra else DELETION
    probability = float(1 / (1 + np.exp(-best.odds / 2)))
    return Break(kind, int(at), int(column), 1, probability, by_group=True)


def best_shift(
    codes: np.ndarray, columns: np.ndarray, expected: np.ndarray, at_front: bool
) -> Shift | None:
    """The likeliest shift of the nucleotides at an end; None where the barcode is too short."""
    aligned = np.flatnonzero(columns >= 0)
    if len(aligned) < 3 * _NEAR:
        return None
    anchor = int(aligned[_NEAR] if at_front else aligned[-_NEAR - 1])
    places = np.arange(anchor) if at_front else np.arange(len(codes) - 1, anchor, -1)
    straight = columns[anchor] + places - anchor
    inside = (straight >= -2) & (straight < len(expected) + 2) & (codes[places] < 4)
    places, straight = places[inside], straight[inside]
    if len(places) <= _FEWEST:
        return None

    def fit(by: int) -> np.ndarray:
        at = straight + by
        logs = expected[np.clip(at, 0, len(expected) - 1), codes[places]]
        return np.where((at >= 0) & (at < len(expected)), logs, np.log(0.25))

    unshifted, best = fit(0), None
    for by in _SHIFTS:
        odds = np.cumsum(fit(by) - unshifted)[_FEWEST - 1 :]
        number = int(odds.argmax())
        if best is None or odds[number] > best.odds:
            innermost = number + _FEWEST - 1
            at, column = int(places[innermost]), int(straight[innermost])
            best = Shift(float(odds[number]), by, at, column, anchor)
    return best
