"""Undo what is surely an error, and nothing else.

Where an ENBED's tag is sure, what it says is done. Of what the profile finds, extra nucleotides
are cut out where they repeat their neighbour (any of a run may go), and one lost nucleotide is
filled in where it lengthens a run that the profile expects, or where the profile knows its column.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from barcodemae.checking.checker import Checked
from barcodemae.checking.profile import DELETION, INSERTION, consensus
from barcodemae.checking.tags import DROP, INSERT, KEEP, REPLACE

_SURE = 0.9  # share of a nucleotide in its column
_LIKELY = 0.3  # the same, where it also repeats its neighbour
_TOGETHER = 6  # nucleotides between a break and a tag that mean one and the same


@dataclass
class Repaired:
    """A record after its repair.

    Attributes:
        barcode: forward; what was put in or changed is in small letters.
        edits: one word for each, at places of the record, forward, from 1: "103delA", "210insT"
            (before 210), "5C>T".
    """

    barcode: str
    edits: list[str]


def repair(item: Checked, tagger=None) -> Repaired:
    """Undo the errors of a checked record that are beyond doubt.

    Args:
        tagger: the `Tagger` that gave the tags, for how sure is sure; None: without.
    """
    if item.alignment is None:
        return Repaired(item.barcode, [])
    edits = {} if tagger is None else _tag_edits(item, tagger.least_to_edit)
    for at, edit in _profile_edits(item):
        if not any(abs(at - other) <= _TOGETHER for other in edits):
            edits[at] = edit
    letters, words = [], []
    part = item.barcode[item.offset : item.offset + len(item.codes)]
    for at in range(len(part) + 1):
        letter = part[at : at + 1]
        add, keep, change = edits.get(at, ("", True, ""))
        place = item.offset + at + 1
        if add:
            words.append(f"{place}ins{add.upper()}")
        if change:
            words.append(f"{place}{letter}>{change.upper()}")
        if not keep:
            words.append(f"{place}del{letter}")
        letters.append(add + (change or letter if keep else ""))
    front, behind = item.barcode[: item.offset], item.barcode[item.offset + len(item.codes) :]
    return Repaired(front + "".join(letters) + behind, words)


def _tag_edits(item: Checked, least_probability: float) -> dict[int, tuple[str, bool, str]]:
    """Place -> (letters to put before, whether to keep the letter, what to put in its stead)."""
    edits = {}
    for at in np.flatnonzero(item.tags[:, 1:].max(axis=1) >= least_probability):
        tag = int(item.tags[at].argmax())
        if tag == KEEP or (at < len(item.codes) and item.codes[at] > 3):
            continue
        if tag >= INSERT:
            edits[int(at)] = ("acgt"[tag - INSERT], True, "")
        elif tag >= REPLACE and at < len(item.codes):
            edits[int(at)] = ("", True, "acgt"[tag - REPLACE])
        elif tag == DROP and at < len(item.codes):
            edits[int(at)] = ("", False, "")
    return edits


def _profile_edits(item: Checked):
    for found in item.alignment.breaks:
        if not found.shifts_frame or found.length > 2:
            continue
        if found.kind == INSERTION:
            yield from _cut_out(item.codes, found)
        elif found.kind == DELETION:
            yield from _fill_in(item.codes, found)


def _cut_out(codes: np.ndarray, found):
    extra = codes[found.at : found.at + found.length]
    before, behind = codes[found.at - 1], codes[found.at + found.length]
    if len(set(extra.tolist())) == 1 and extra[0] in (before, behind):
        for at in range(found.at, found.at + found.length):
            yield at, ("", False, "")


def _fill_in(codes: np.ndarray, found):
    shares = consensus()[found.column : found.column + found.length]
    letters = []
    for share in shares:
        code = int(share.argmax())
        repeats = [c for c in (codes[found.at - 1], codes[found.at]) if c < 4]
        repeated = max(repeats, key=lambda c: share[c], default=code)
        if share[code] >= _SURE:
            letters.append("acgt"[code])
        elif share[repeated] >= _LIKELY:
            letters.append("acgt"[repeated])
        else:
            return
    yield found.at, ("".join(letters), True, "")
