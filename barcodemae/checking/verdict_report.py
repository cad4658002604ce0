"""The report of `barcodemae check`, and the mended barcodes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from barcodemae.checking.checker import Checked, check
from barcodemae.checking.repair import Repaired, repair
from barcodemae.outputs import whole_file

logger = logging.getLogger(__name__)

COLUMNS = (
    "id",
    "verdict",
    "positions",
    "grid_positions",
    "problems",
    "probability",
    "said_by",
    "strand",
    "edits",
    "surprise",
    "unknown",
)
NUMBERS = ("probability", "surprise")  # columns of numbers, which stand there as texts
_AT_ONCE = 512


def write_report(
    table,
    add: Callable[[Iterable[Sequence]], None],
    mended: Path | None = None,
    tagger=None,
) -> tuple[Counter, int]:
    """Check a table of barcodes; add a row for each, and write the mended barcodes as FASTA.

    Args:
        table: with columns processid, nucleotides and phylum, as `read_barcodes` gives it.
        add: takes rows of `COLUMNS`.
        mended: file to write.
        tagger: a `Tagger`; None: without.

    Returns:
        How many records each verdict has, and how many edits were made in all.
    """
    verdicts: Counter[str] = Counter()
    edits = blanks = 0
    with nullcontext() if mended is None else whole_file(mended) as path:
        file = nullcontext() if path is None else path.open("w", encoding="utf-8")
        with file as records:
            for rows in table.iter(_AT_ONCE):
                found = check(rows["nucleotides"], rows["phylum"], tagger)
                repaired = [repair(item, tagger) for item in found]
                add(map(_row, rows["processid"], found, repaired))
                verdicts.update(item.verdict for item in found)
                edits += sum(len(item.edits) for item in repaired)
                if records is not None:
                    blanks += sum(" " in name for name in rows["processid"])
                    records.writelines(map(_record, rows["processid"], found, repaired))
    if blanks:
        logger.warning(
            f"{mended}: {blanks} ids have blanks; programs that read FASTA take the first word for "
            "the id"
        )
    return verdicts, edits


def _row(name: str, item: Checked, repaired: Repaired) -> tuple:
    return (
        name,
        item.verdict,
        _joined(problem.at + 1 for problem in item.problems),
        _joined(problem.column + 1 for problem in item.problems),
        _joined(f"{problem.kind} of {problem.length}" for problem in item.problems),
        f"{item.probability:.3f}" if item.problems else "",
        _joined(sorted({problem.said_by for problem in item.problems})),
        "reverse" if item.is_reversed else "forward",
        _joined(repaired.edits),
        "" if np.isnan(item.surprise) else f"{item.surprise:.2f}",
        sum(letter not in "ACGT" for letter in item.barcode),
    )


def _record(name: str, item: Checked, repaired: Repaired) -> str:
    # One word, which readers of FASTA take off again: where ids have blanks, it is no part of them.
    notes = ["turned"] * item.is_reversed + repaired.edits
    note = f" mended={','.join(notes)}" if notes else ""
    return f">{name}{note}\n{repaired.barcode}\n"


def _joined(values) -> str:
    return "; ".join(map(str, values))
