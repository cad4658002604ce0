"""Undo what is surely an error, and nothing else.

Of what the profile finds, extra nucleotides are cut out where they repeat their neighbour (any of a
run may go), and one or two lost ones are filled in where they lengthen a run that the profile
expects, or where it knows the column. Where it leaves open which nucleotide it is, an ENBED's tags
near the break may say. A tag alone is obeyed where it is as sure as the tagger's threshold asks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from barcodemae.checking.checker import Checked
from barcodemae.checking.profile import INSERTION, Break, consensus
from barcodemae.checking.tags import DROP, INSERT, KEEP, REPLACE

_SURE = 0.9  # share of a nucleotide in its column
_LIKELY = 0.3  # the same, where it also repeats its neighbour
_TOGETHER = 6  # nucleotides between a break and a tag that mean one and the same
_NEAR = 8  # nucleotides from a break to the tag that says which one it is

# Of a place: letters to put before, whether to keep the letter, what to put in its stead.
Edit = tuple[str, bool, str]


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
    edits: dict[int, Edit] = {}
    if tagger is not None and item.tags is not None:
        edits |= _tag_edits(item.codes, item.tags, tagger.least_to_edit)
    for found in item.alignment.breaks:
        if found.shifts_frame and not _is_done(found, edits):
            edits |= _by_profile(item.codes, found) or _by_tags(item, found, tagger)
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
    front, after = item.barcode[: item.offset], item.barcode[item.offset + len(item.codes) :]
    return Repaired(front + "".join(letters) + after, words)


def _tag_edits(codes: np.ndarray, tags: np.ndarray, least_probability: float) -> dict[int, Edit]:
    edits = {}
    for at in np.flatnonzero(tags[:, 1:].max(axis=1) >= least_probability):
        tag = int(tags[at].argmax())
        if tag == KEEP or (at < len(codes) and codes[at] > 3):
            continue
        if tag >= INSERT:
            edits[int(at)] = ("acgt"[tag - INSERT], True, "")
        elif tag >= REPLACE and at < len(codes):
            edits[int(at)] = ("", True, "acgt"[tag - REPLACE])
        elif tag == DROP and at < len(codes):
            edits[int(at)] = ("", False, "")
    return edits


def _is_done(found: Break, edits: dict) -> bool:
    return any(abs(found.at - other) <= _TOGETHER for other in edits)


def _by_profile(codes: np.ndarray, found: Break) -> dict[int, Edit]:
    if found.length > 2:
        return {}
    return dict((_cut_out if found.kind == INSERTION else _fill_in)(codes, found))


def _by_tags(item: Checked, found: Break, tagger) -> dict[int, Edit]:
    """Which nucleotide it is that the profile finds extra or missing, if the tags are sure."""
    if tagger is None or item.tags is None or found.length > 1:
        return {}
    front = max(found.at - _NEAR, 0)
    near = item.tags[front : found.at + _NEAR + 1]
    allowed = slice(DROP, REPLACE) if found.kind == INSERTION else slice(INSERT, None)
    place, tag = np.unravel_index(near[:, allowed].argmax(), near[:, allowed].shape)
    at = front + int(place)
    if near[:, allowed][place, tag] < tagger.least_to_mend:
        return {}
    if found.kind == INSERTION:
        return {at: ("", False, "")} if at < len(item.codes) else {}
    return {at: ("acgt"[tag], True, "")}


def _cut_out(codes: np.ndarray, found):
    extra = codes[found.at : found.at + found.length]
    before, after = codes[found.at - 1], codes[found.at + found.length]
    if len(set(extra.tolist())) == 1 and extra[0] in (before, after):
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
