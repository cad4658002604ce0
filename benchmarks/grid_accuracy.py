"""How well barcodes are laid on the grid of COI, by phylum and by order.

    python -m benchmarks.grid_accuracy barcodes.parquet -o grid.json --elsewhere dna.fasta

The grid is made from one half of the families, the other half is laid on it. A whole barcode's
place is checked by its reading frame; what is then done to it has a known place.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from Bio.Seq import complement, reverse_complement

from barcodemae.data import read_barcodes
from barcodemae.data.grid import coi_grid, fit_grid
from grid_barcodemae import UNKNOWN, Grid, nucleotide_text

_LCO1490, _HCO2198 = "GGTCAACAAATCATAAAGATATTGG", "TAAACTTCAGGGTGACCAAAAAATCA"
_STOPS = {"TAA", "TAG"}
_ENOUGH = 20  # barcodes of an order that is shown
_NEAR = 15  # places that a break may be off: within a repeat it has no place of its own


@dataclass
class Changed:
    """A barcode to which something was done, and where its nucleotides belong.

    Attributes:
        text: the record.
        codes: (658,) what belongs at each place.
        breaks: places at which nucleotides were put in or taken out.
    """

    text: str
    codes: np.ndarray
    breaks: tuple[int, ...] = ()


def cut(length: int) -> Callable:
    def change(codes, rng):
        known = np.flatnonzero(codes < UNKNOWN)
        start = int(rng.integers(known[0], known[-1] + 2 - length))
        kept = np.full_like(codes, UNKNOWN)
        kept[start : start + length] = codes[start : start + length]
        return Changed(nucleotide_text(codes[start : start + length]), kept)

    return change


def reverse(codes, rng):
    return Changed(reverse_complement(nucleotide_text(codes).strip("N")), codes)


def with_primers(codes, rng):
    return Changed(_LCO1490 + nucleotide_text(codes) + reverse_complement(_HCO2198), codes)


def in_a_genome(codes, rng):
    around = "".join(rng.choice(list("ACGT"), 15000, p=[0.4, 0.13, 0.13, 0.34]))
    at = int(rng.integers(0, 15000))
    record = around[:at] + nucleotide_text(codes).strip("N") + around[at:]
    return Changed(reverse_complement(record) if rng.random() < 0.5 else record, codes)


def substituted(share: float) -> Callable:
    def change(codes, rng):
        hit = (rng.random(len(codes)) < share) & (codes < UNKNOWN)
        other = np.where(hit, (codes + rng.integers(1, 4, len(codes))) % 4, codes)
        return Changed(nucleotide_text(other).strip("N"), other.astype(np.uint8))

    return change


def broken(*sizes: int, end: int = 0) -> Callable:
    """`sizes` nucleotides put in (or, below 0, taken out), `end`: within so many of either end."""

    def change(codes, rng):
        known = np.flatnonzero(codes < UNKNOWN)
        first, last = known[0], known[-1]
        if end:
            choices = [*range(first + 2, first + end), *range(last - end, last - 3)]
        else:
            choices = np.arange(first + 40, last - 40)
        places = sorted(int(place) for place in rng.choice(choices, len(sizes), replace=False))
        expected, text = codes.copy(), list(nucleotide_text(codes))
        for place, size in zip(places, sizes, strict=True):
            if size < 0:
                expected[place : place - size] = UNKNOWN
                text[place : place - size] = [""] * -size
            else:
                text[place] = "".join(rng.choice(list("ACGT"), size)) + text[place]
        return Changed("".join(text).strip("N"), expected, tuple(places))

    return change


CHANGES = {
    "whole": lambda codes, rng: Changed(nucleotide_text(codes).strip("N"), codes),
    "313 nucleotides": cut(313),
    "200 nucleotides": cut(200),
    "130 nucleotides": cut(130),
    "reverse complement": reverse,
    "primers on": with_primers,
    "in a genome of 15 kb": in_a_genome,
    "1 % substituted": substituted(0.01),
    "2 % substituted": substituted(0.02),
    "5 % substituted": substituted(0.05),
    "one lost": broken(-1),
    "one inserted": broken(1),
    "two lost": broken(-1, -1),
    "one lost, one inserted": broken(-1, 1),
    "a codon lost": broken(-3),
    "one lost within 20 of an end": broken(-1, end=20),
}


def measure(grid: Grid, changed: list[Changed]) -> dict[str, np.ndarray]:
    """For each barcode: whether its nucleotides lie at their places, and its breaks were found."""
    codes, placements = grid.lay([each.text for each in changed])
    expected = np.stack([each.codes for each in changed])
    belongs, laid = expected < UNKNOWN, codes < UNKNOWN
    wrong = ((codes != expected) & laid & belongs).sum(axis=1)
    # At a break some nucleotides may be equal to their neighbours: these do not count.
    allowed = [5 + 10 * len(each.breaks) if each.breaks else 0 for each in changed]
    found = [
        bool(breaks) and min(abs(at - place) for place in each.breaks) <= _NEAR
        for each, breaks, at in zip(changed, placements.breaks, placements.break_at, strict=True)
        if each.breaks
    ]
    return {
        "right": placements.placed & (wrong <= allowed),
        "at their places": ((codes == expected) & belongs).sum(axis=1) / belongs.sum(axis=1),
        "foreign": (laid & ~belongs).sum(axis=1) / np.maximum(laid.sum(axis=1), 1),
        "break found": np.array(found),
        "break where there is none": (placements.breaks > 0)
        if not changed[0].breaks
        else np.zeros(0),
    }


def in_frame(codes: np.ndarray) -> bool:
    """Whether a laid barcode reads without a stop codon of the mitochondrial codes."""
    text = nucleotide_text(codes)
    return not any(text[at : at + 3] in _STOPS for at in range(1, len(text) - 2, 3))


def halves(families: pd.Series) -> np.ndarray:
    """(n,) bool: whether the family is in the half that the grid is made from."""
    return np.array(
        [hashlib.sha256(str(name).encode()).digest()[0] % 2 == 0 for name in families], dtype=bool
    )


def judge(table: pd.DataFrame, per_phylum: int, seed: int) -> tuple[dict, dict]:
    """Shares by phylum and by order, for each change; `table` has ranks and barcodes."""
    first = halves(table["family"].fillna(table["genus"]))
    source, rest = table[first], table[~first]
    groups = list(zip(source["phylum"].astype(str), source["order"].astype(str), strict=True))
    grid = fit_grid(source["nucleotides"].tolist(), groups, 658, print)
    by_order = shares(grid, rest, "order", per_phylum // 5, seed)
    orders = {
        name: {k: v["right"] if isinstance(v, dict) else v for k, v in found.items()}
        for name, found in by_order.items()
        if found["barcodes"] >= _ENOUGH
    }
    return shares(grid, rest, "phylum", per_phylum, seed), orders


def shares(grid: Grid, table: pd.DataFrame, rank: str, most: int, seed: int) -> dict[str, dict]:
    """For each taxon of `rank`, how at most so many of its barcodes are laid after each change."""
    rng = np.random.default_rng(seed)
    picked = table.groupby(rank).sample(frac=1, random_state=seed)
    picked = picked.groupby(rank).head(most).reset_index(drop=True)
    codes, placements = grid.lay(picked["nucleotides"].tolist())
    frames = np.array([in_frame(row) for row in codes])
    whole = placements.placed & (placements.breaks == 0) & (placements.overlap >= 500) & frames
    found = {}
    for name, rows in picked.groupby(rank).groups.items():
        found[name] = {
            "barcodes": len(rows),
            "placed": placements.placed[rows].mean(),
            "no stop codon": frames[rows][placements.placed[rows]].mean(),
            "with breaks": (placements.breaks[rows] > 0).mean(),
        }
    for name, change in CHANGES.items():
        for taxon, rows in picked[whole].groupby(rank).groups.items():
            measured = measure(grid, [change(codes[row], rng) for row in rows])
            found[taxon][name] = {k: float(v.mean()) for k, v in measured.items() if len(v)}
    return found


def false_places(sequences: list[str], barcodes: list[str], seed: int) -> dict[str, list[int]]:
    """How many of how many records that are no COI the shipped grid takes: [taken, all]."""
    rng = np.random.default_rng(seed)
    shuffled = ["".join(rng.permutation(list(text))) for text in barcodes]
    kinds = {
        "other DNA": sequences,
        "shuffled barcodes": shuffled,
        "barcodes read backwards": [text[::-1] for text in barcodes],
        "complements, not reversed": [complement(text) for text in barcodes],
    }
    return {
        name: [int(coi_grid().place(texts).placed.sum()), len(texts)]
        for name, texts in kinds.items()
        if texts
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("barcodes", nargs="+", help="with phylum, order and family")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--elsewhere", nargs="*", default=[], help="DNA that is no COI")
    parser.add_argument("--per_phylum", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    columns = ["phylum", "order", "family", "genus", "nucleotides"]
    table = read_barcodes(options.barcodes).to_pandas()[columns]
    by_phylum, by_order = judge(table[table["phylum"].notna()], options.per_phylum, options.seed)
    sample = table["nucleotides"].sample(min(5000, len(table)), random_state=options.seed).tolist()
    other = read_barcodes(options.elsewhere, prepare=False) if options.elsewhere else None
    start = time.process_time()
    coi_grid().lay(sample)
    rate = len(sample) / (time.process_time() - start)
    found = {
        "by_phylum": by_phylum,
        "by_order": by_order,
        "taken_for_coi": false_places(
            other["nucleotides"][:] if other is not None else [], sample, options.seed
        ),
        "barcodes_per_cpu_second": round(rate),
    }
    options.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found["taken_for_coi"]), f"{rate:.0f} barcodes a CPU second")


if __name__ == "__main__":
    main()
