"""Make the profile HMM that `barcodemae check` ships with.

    python -m train.enbed.coi_profile --barcodes BARCODES.parquet --output coi.hmm

Takes whole barcodes without unknown nucleotides that lie on the grid without a break and hold no
stop codon, so many of each phylum and so many of each order of arthropods, that what is sampled
best does not swamp the rest.
"""

import argparse
from pathlib import Path

import pandas as pd
from pyhmmer.easel import Alphabet, TextMSA, TextSequence
from pyhmmer.plan7 import Background, Builder

from barcodemae.checking.stops import FIRST_CODON
from barcodemae.data.grid import coi_grid
from barcodemae.outputs import write_whole

_LEAST = 560  # nucleotides on the grid
_FIT = 0.45  # mean log-odds of a nucleotide, below which a barcode may be something else
_STOPS = ("TAA", "TAG")
# HMMER weighs so many barcodes as five: gaps are then likelier than they are in a coding sequence.
# Clean barcodes of unseen species with a break inside: 5 % at five, 1.25 % from twenty on.
_EFFECTIVE_NUMBER = 50.0


def choose(table: pd.DataFrame, per_phylum: int, per_order: int) -> pd.DataFrame:
    """So many barcodes of each phylum, and of each order of arthropods."""
    insects = table[table["phylum"] == "Arthropoda"]
    groups = [
        *((group, per_phylum) for _, group in table.groupby("phylum")),
        *((group, per_order) for _, group in insects.groupby("order")),
    ]
    chosen = pd.concat(
        group.sample(min(len(group), most), random_state=0) for group, most in groups
    )
    return chosen[~chosen.index.duplicated()]


def rows(table: pd.DataFrame) -> list[str]:
    """Rows of an alignment as wide as the grid, gaps outside the barcodes."""
    grid = coi_grid()
    codes, placements = grid.lay(table["nucleotides"].tolist())
    whole = placements.placed & (placements.breaks == 0) & (placements.strand > 0)
    whole &= (placements.overlap >= _LEAST) & (placements.score > _FIT)
    found = ["".join("ACGT-"[code] for code in row) for row in codes[whole]]
    return [
        row
        for row in found
        if not any(row[i : i + 3] in _STOPS for i in range(FIRST_CODON, len(row) - 2, 3))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--barcodes", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--splits", nargs="*", default=["pretrain", "train"])
    parser.add_argument("--per_phylum", type=int, default=700)
    parser.add_argument("--per_order", type=int, default=60)
    arguments = parser.parse_args()
    table = pd.read_parquet(arguments.barcodes)
    table = table[table["split"].isin(arguments.splits)]
    table = table[table["nucleotides"].str.fullmatch("[ACGT]+")]
    found = rows(choose(table, arguments.per_phylum, arguments.per_order))
    alphabet = Alphabet.dna()
    alignment = TextMSA(
        name=b"COI-5P",
        sequences=[TextSequence(name=str(i).encode(), sequence=x) for i, x in enumerate(found)],
    ).digitize(alphabet)
    # A match state for every column, however few barcodes reach it.
    builder = Builder(
        alphabet, architecture="fast", symfrac=0.0, seed=1, effective_number=_EFFECTIVE_NUMBER
    )
    profile, _, _ = builder.build_msa(alignment, Background(alphabet))
    profile.command_line = None

    def write(path: Path) -> None:
        with path.open("wb") as file:
            profile.write(file)

    write_whole(arguments.output, write)
    print(f"{arguments.output}: {profile.M} columns, from {len(found)} barcodes")


if __name__ == "__main__":
    main()
