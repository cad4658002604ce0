"""Make a grid from barcodes of any marker: `python -m experiments.make_grid barcodes.csv -o FILE`.

The grid that is shipped (`barcodemae/data/grid.safetensors`) was made so, from 84,930 public COI
barcodes of six phyla (the splits `pretrain` and `train`) with `--length 658`.
"""

import argparse
from pathlib import Path

from barcodemae.data import read_barcodes
from barcodemae.data.grid import fit_grid
from barcodemae.outputs import check_output, whole_file


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("barcodes", nargs="+", help="FASTA, FASTQ, CSV, TSV or Parquet files")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--split", nargs="*", default=[], help="these splits alone")
    parser.add_argument("--length", type=int, help="places; default: the commonest length")
    options = parser.parse_args(arguments)
    check_output(options.output, options.barcodes)
    barcodes = read_barcodes(options.barcodes, split=options.split)
    groups = list(zip(*(map(str, barcodes[rank][:]) for rank in ("phylum", "order")), strict=True))
    grid = fit_grid(barcodes["nucleotides"][:], groups, options.length, print)
    with whole_file(options.output) as temporary:
        grid.save(temporary)
    print(f"{options.output}: a grid of {grid.length} places from {len(barcodes)} barcodes")


if __name__ == "__main__":
    main()
