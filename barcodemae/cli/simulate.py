"""`barcodemae simulate`: barcodes with a taxonomy, for demonstrations and tests."""

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    output: Annotated[Path, typer.Option("--output", "-o", help="CSV file to write.")],
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same file.")] = 0,
    orders: Annotated[int, typer.Option(help="Orders in all.")] = 5,
    families: Annotated[int, typer.Option(help="Families in all.")] = 20,
    genera: Annotated[int, typer.Option(help="Genera in all.")] = 80,
    species: Annotated[int, typer.Option(help="Species in all.")] = 400,
    barcodes: Annotated[
        int, typer.Option(help="Barcodes in all; about a third repeat another of their species.")
    ] = 4000,
    unlabelled: Annotated[
        float, typer.Option(help="Share of species without a label, the pretrain split.")
    ] = 0.6,
    ambiguous: Annotated[float, typer.Option(help="Share of barcodes with 1 to 10 N.")] = 0.0,
    truncated: Annotated[
        float, typer.Option(help="Share of barcodes that lack up to 100 nucleotides at the ends.")
    ] = 0.0,
    primers: Annotated[
        float, typer.Option(help="Share of barcodes of other primers, or with primers left on.")
    ] = 0.0,
    mini: Annotated[
        float, typer.Option(help="Share of mini-barcodes, 130 to 407 nucleotides.")
    ] = 0.0,
    reversed: Annotated[float, typer.Option(help="Share of reverse complements.")] = 0.0,
) -> None:
    """Simulate barcodes of evolved species, in BIOSCAN-5M's columns and splits.

    A COI-like sequence of 658 nucleotides evolves along a tree of orders, families, genera and
    species, under the invertebrate mitochondrial code and with the nucleotides that the grid has at
    each place. Fit for trying things out, not for claims.
    """
    settings = dict(locals())
    from barcodemae.data import write_simulated
    from barcodemae.errors import BarcodeMAEError
    from barcodemae.outputs import report

    if output.suffix.lower() in (".tsv", ".parquet", ".fasta", ".fa", ".fastq", ".xlsx"):
        raise BarcodeMAEError(f"{output}: CSV is written; give a name that ends in .csv")
    written = write_simulated(settings.pop("output"), **settings)
    report(output, f"{written} barcodes of {species} species, {genera} genera")
