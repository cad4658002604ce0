"""Parents and children among dated strains of a virus: by season, or along a tree."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from Bio import Phylo

from barcodemae.checking.groups import one_hot
from barcodemae.errors import BarcodeMAEError
from grid_barcodemae import UNKNOWN, nucleotide_codes
from train.enbed.labelled_sequences import read_table

WAYS = ("season", "tree")
_WORD = 16  # nucleotides by which a strain finds its place beside the longest
_LEAST_OVERLAP, _LEAST_IDENTITY = 200, 0.7
_UNION = np.uint8(15)


@dataclass
class Pairs:
    """n pairs on common columns.

    Attributes:
        parents, children: (n, columns) codes, 0 to 3 = A, C, G, T, 4 = unknown or not there.
        times: (n,) of the children: seasons as text, or years.
    """

    parents: np.ndarray
    children: np.ndarray
    times: np.ndarray

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, rows) -> Pairs:
        return Pairs(self.parents[rows], self.children[rows], self.times[rows])

    @property
    def mutated(self) -> np.ndarray:
        """(n, columns) whether a child differs from its parent where both are known."""
        known = (self.parents < UNKNOWN) & (self.children < UNKNOWN)
        return known & (self.parents != self.children)


def read_pairs(files: list[str], way: str, tree: str = "") -> Pairs:
    """Pairs that differ, in order of time.

    Args:
        files: tables with nucleotides and, by season, the column `season` (and, where there are
            several, `subtype`); along a tree, the columns `name` and `date` (a year).
        way: "season": a strain's parent is the nearest of the season before, of its subtype;
            "tree": every branch of a tree, whose inner nodes are restored by Fitch's parsimony.
        tree: of the second, a Newick file.

    Raises:
        BarcodeMAEError: a file, a column or a strain is missing, or no two strains pair.
    """
    needed = "season" if way == "season" else "name"
    table = read_table(files, needed)
    if way == "season":
        if "subtype" not in table:
            table["subtype"] = ""
        found = [_by_season(*part) for _, part in _lay_groups(table)]
    else:
        if "date" not in table:
            raise BarcodeMAEError(f"{files[0]}: there is no column 'date'; pairs need it")
        codes, rows = lay(table["nucleotides"].tolist())
        found = [_along(_read_tree(tree), codes, table.iloc[rows])]
    pairs = _joined(found)
    pairs = pairs[np.argsort(pairs.times, kind="stable")]
    pairs = pairs[pairs.mutated.any(axis=1)]
    if not len(pairs):
        raise BarcodeMAEError(f"{files[0]}: no two strains are parent and child; see --pairs")
    return pairs


def lay(sequences: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Put strains, which hold no gaps against one another, beside the longest of them.

    Returns:
        codes (m, columns), and which of the sequences they are (m,): what does not fit is left out.
    """
    longest = max(sequences, key=len)
    places = {longest[i : i + _WORD]: i for i in range(len(longest) - _WORD + 1)}
    target = _codes(longest)
    rows, kept = [], []
    for number, sequence in enumerate(sequences):
        words = (sequence[i : i + _WORD] for i in range(0, len(sequence) - _WORD + 1, 4))
        votes = Counter(
            places[word] - 4 * i for i, word in enumerate(words) if word in places
        ).most_common(1)
        if not votes:
            continue
        start = votes[0][0]
        codes = _codes(sequence)[max(-start, 0) :][: len(longest) - max(start, 0)]
        row = np.full(len(longest), UNKNOWN, dtype=np.uint8)
        row[max(start, 0) : max(start, 0) + len(codes)] = codes
        known = (row < UNKNOWN) & (target < UNKNOWN)
        if (row == target)[known].mean() >= _LEAST_IDENTITY and known.sum() >= _LEAST_OVERLAP:
            rows.append(row)
            kept.append(number)
    return np.array(rows), np.array(kept)


def _codes(sequence: str) -> np.ndarray:
    return nucleotide_codes([sequence])[0, : len(sequence)]


def _lay_groups(table: pd.DataFrame):
    for subtype, group in table.groupby("subtype", dropna=False):
        codes, rows = lay(group["nucleotides"].tolist())
        yield subtype, (codes, group["season"].astype(str).to_numpy()[rows])


def _by_season(codes: np.ndarray, seasons: np.ndarray) -> Pairs:
    letters = one_hot(codes)
    known = (codes < UNKNOWN).astype(np.float32)
    parents, children = [], []
    names = sorted(set(seasons))
    for before, season in zip(names, names[1:], strict=False):
        older, younger = np.flatnonzero(seasons == before), np.flatnonzero(seasons == season)
        both = known[younger] @ known[older].T
        distance = both - letters[younger] @ letters[older].T
        distance[both < _LEAST_OVERLAP] = np.inf
        nearest = distance.argmin(axis=1)
        found = np.isfinite(distance.min(axis=1))
        parents += older[nearest[found]].tolist()
        children += younger[found].tolist()
    return Pairs(codes[parents], codes[children], seasons[children])


def _read_tree(path: str):
    if not Path(path).is_file():
        raise BarcodeMAEError(f"--tree {path}: there is no such file")
    try:
        return Phylo.read(path, "newick")
    except ValueError as error:  # Bio.Phylo.NewickIO.NewickError is one
        raise BarcodeMAEError(f"--tree {path}: not a tree in Newick: {error}") from error


def _along(tree, codes: np.ndarray, table: pd.DataFrame) -> Pairs:
    names = table["name"].astype(str)
    row_of = {name: row for row, name in enumerate(names)}
    dates = table["date"].to_numpy(dtype=float)
    if twice := names[names.duplicated()].tolist():
        raise BarcodeMAEError(f"{twice[0]}: two strains have this name; leave one of them")
    missing = [tip.name for tip in tree.get_terminals() if tip.name not in row_of]
    if missing:
        raise BarcodeMAEError(f"{missing[0]}: in the tree, and no such name in the table")
    # Fitch: the letters a node may have, as bits; a node is as old as its oldest strain.
    may, born, state = {}, {}, {}
    for node in tree.find_clades(order="postorder"):
        if node.is_terminal():
            row = row_of[node.name]
            may[node] = np.where(codes[row] < UNKNOWN, 1 << np.minimum(codes[row], 3), _UNION)
            may[node], born[node] = may[node].astype(np.uint8), dates[row]
            continue
        bits = may[node.clades[0]]
        for child in node.clades[1:]:
            shared = bits & may[child]
            bits = np.where(shared > 0, shared, bits | may[child])
        may[node], born[node] = bits, min(born[child] for child in node.clades)
    parents, children, times = [], [], []
    for node in tree.find_clades(order="preorder"):
        if node not in state:
            state[node] = _lowest(may[node])
        for child in node.clades:
            bit = np.uint8(1) << state[node]
            state[child] = np.where(may[child] & bit > 0, state[node], _lowest(may[child]))
            parents.append(state[node])
            # Letters of a strain that are unknown stay so.
            is_tip = child.is_terminal()
            children.append(codes[row_of[child.name]] if is_tip else state[child])
            times.append(born[child])
    return Pairs(np.array(parents), np.array(children), np.array(times))


def _lowest(bits: np.ndarray) -> np.ndarray:
    """The lowest letter among bits (columns,)."""
    return np.log2(bits & -bits.astype(np.int16)).astype(np.uint8)


def _joined(found: list[Pairs]) -> Pairs:
    """Pairs of several subtypes, each on columns of its own, one below the other."""
    width = max(part.parents.shape[1] for part in found)

    def wide(codes: np.ndarray) -> np.ndarray:
        spare = ((0, 0), (0, width - codes.shape[1]))
        return np.pad(codes, spare, constant_values=UNKNOWN)

    return Pairs(
        np.concatenate([wide(part.parents) for part in found]),
        np.concatenate([wide(part.children) for part in found]),
        np.concatenate([part.times for part in found]),
    )
