"""How well `barcodemae check` finds and undoes errors, simulated and real.

    python -m benchmarks.sequencing_errors --barcodes BARCODES.parquet --split val_unseen \\
        --nanopore ONT.parquet

Simulated: one error of each kind in each barcode (30 % of insertions and losses in runs), and
pseudogenes: 6 % of the nucleotides substituted without regard to codons, two of them lost. Real:
nanopore consensus barcodes beside Sanger's of the same specimens (columns nucleotides, sanger).
The tables go to standard output, in Markdown.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from barcodemae.checking.checker import CLEAN, NUMT, REVERSED, check
from barcodemae.checking.repair import repair
from grid_barcodemae import nucleotide_codes, nucleotide_text
from train.enbed.read_errors import DELETION, INSERTION, SUBSTITUTION, corrupt

_KINDS = {"1 insertion": INSERTION, "1 deletion": DELETION, "1 substitution": SUBSTITUTION}
_IN_RUNS = 0.3
_PSEUDOGENE = 0.06
_SHOWN = 6


def simulate(barcodes: list[str], seed: int) -> dict[str, list[str]]:
    """Name -> the barcodes with such errors in them."""
    rng = np.random.default_rng(seed)
    codes = [nucleotide_codes([barcode])[0, : len(barcode)] for barcode in barcodes]
    found = {"clean": barcodes}
    for name, kind in _KINDS.items():
        noisy = (corrupt(c, rng, 1, np.eye(3)[kind], _IN_RUNS)[0] for c in codes)
        found[name] = [nucleotide_text(c) for c in noisy]
    decayed = (
        corrupt(c, rng, int(_PSEUDOGENE * len(c)), np.eye(3)[SUBSTITUTION])[0] for c in codes
    )
    found["pseudogene"] = [
        nucleotide_text(corrupt(c, rng, 2, np.eye(3)[DELETION], 0)[0]) for c in decayed
    ]
    return found


def is_flagged(checked) -> np.ndarray:
    return np.array([item.verdict not in (CLEAN, REVERSED) for item in checked])


def simulated(barcodes: list[str], tagger, seed: int) -> None:
    print("\n| | n | flagged | restored exactly | edits in 10,000 nt | NUMT suspected |")
    print("|---|---|---|---|---|---|")
    number, start, surprise = 0, time.process_time(), {}
    for name, noisy in simulate(barcodes, seed).items():
        checked = check(noisy, tagger=tagger)
        mended = [repair(item, tagger) for item in checked]
        number += len(noisy)
        surprise[name] = np.nan_to_num([item.surprise for item in checked])
        restored = np.mean([m.barcode.upper() == b for m, b in zip(mended, barcodes, strict=True)])
        edits = sum(len(m.edits) for m in mended) / sum(map(len, noisy)) * 10_000
        numt = np.mean([item.verdict == NUMT for item in checked])
        print(
            f"| {name} | {len(noisy)} | {is_flagged(checked).mean():.2%} | {restored:.1%} | "
            f"{edits:.2f} | {numt:.1%} |",
            flush=True,
        )
    print(f"\n{number / (time.process_time() - start):.0f} barcodes a processor second")
    told = np.concatenate([surprise["clean"], surprise["1 substitution"]])
    area = roc_auc_score(np.repeat([0, 1], len(barcodes)), told)
    print(f"1 substitution told from clean by `surprise`: AUROC {area:.3f}")


def holds(barcode: str, sanger: str) -> bool:
    """Whether a barcode has Sanger's within it, where a letter unknown in either fits any."""
    letters = (f"[{letter}N]" if letter in "ACGT" else "." for letter in sanger)
    return re.search("".join(letters), barcode) is not None


def real(table: pd.DataFrame, tagger) -> None:
    barcodes = table["nucleotides"].tolist()
    checked = check(barcodes, tagger=tagger)
    mended = [repair(item, tagger) for item in checked]
    sanger = table["sanger"].tolist()
    was_right = np.array([s in b for s, b in zip(sanger, barcodes, strict=True)])
    is_right = np.array([s in m.barcode.upper() for s, m in zip(sanger, mended, strict=True)])
    flagged = is_flagged(checked)
    fits = np.array([holds(b, s) for s, b in zip(sanger, barcodes, strict=True)])
    print("\n| nanopore | |\n|---|---|")
    print(f"| with errors, flagged | {flagged[~was_right].mean():.1%} of {(~was_right).sum()} |")
    print(f"| without, flagged | {flagged[was_right].mean():.1%} of {was_right.sum()} |")
    print(f"| errors in known letters, flagged | {flagged[~fits].mean():.1%} of {(~fits).sum()} |")
    print(f"| without such, flagged | {flagged[fits].mean():.1%} of {fits.sum()} |")
    print(f"| equal to Sanger before | {was_right.mean():.1%} of {len(sanger)} |")
    print(f"| equal to Sanger after repair | {is_right.mean():.1%} |")
    print(f"| correct before repair, wrong after | {(was_right & ~is_right).sum()} |")
    print("\n| record | verdict | edits | equal to Sanger |\n|---|---|---|---|")
    for row in [row for row in range(len(mended)) if mended[row].edits][:_SHOWN]:
        edits = ", ".join(mended[row].edits)
        print(f"| {row + 1} | {checked[row].verdict} | {edits} | {bool(is_right[row])} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--barcodes", type=Path, required=True)
    parser.add_argument("--split", default="val_unseen")
    parser.add_argument("--number", type=int, default=400, help="barcodes, the first of the split")
    parser.add_argument("--nanopore", type=Path)
    parser.add_argument("--tags", default="", help="directory of an ENBED with edit tags")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    tagger = None
    if arguments.tags:
        from barcodemae.checking.tagging import Tagger

        tagger = Tagger(arguments.tags)
    table = pd.read_parquet(arguments.barcodes, columns=["nucleotides", "split"])
    chosen = table.loc[table["split"] == arguments.split, "nucleotides"].iloc[: arguments.number]
    barcodes = chosen.str.upper().str.replace("-", "").str.replace("[^ACGT]", "N", regex=True)
    simulated(barcodes.tolist(), tagger, arguments.seed)
    if arguments.nanopore:
        real(pd.read_parquet(arguments.nanopore), tagger)


if __name__ == "__main__":
    main()
