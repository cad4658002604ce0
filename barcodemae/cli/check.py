"""`barcodemae check`: sequencing errors, stop codons and pseudogenes among barcodes."""

from pathlib import Path
from typing import Annotated

import typer

from barcodemae.cli import options


def check(
    barcodes: options.Barcodes,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Report to write; its ending says how: .tsv, .csv, .xlsx, .parquet, .jsonl.",
        ),
    ] = Path("-"),
    repair: Annotated[
        Path | None,
        typer.Option(
            help="FASTA to write: every record forward, what is surely an error undone, in small "
            "letters, and named in the header."
        ),
    ] = None,
    tags: Annotated[
        str,
        typer.Option(
            help="Directory of an ENBED with edit tags, or none. shipped: the one that comes with "
            "the package, which says what --repair shall put in or cut out."
        ),
    ] = "shipped",
    on_error: options.OnError = "raise",
) -> None:
    """Check COI barcodes: one row for each record, what is wrong with it and where.

    Verdicts: clean, insertion, deletion, substitution suspected (a nucleotide that hardly any like
    barcode has there), stop codon, reversed, not COI, NUMT suspected (stop codons and frame shifts
    together, three or more). Stop codons are read by the phylum, where the input names it, else by
    the invertebrate code. Places count from 1, on the record as it stands forward, without gaps,
    and on the grid of 658.
    """
    from barcodemae.checking.verdict_report import COLUMNS, NUMBERS, write_report
    from barcodemae.data import read_barcodes
    from barcodemae.outputs import check_outputs, report
    from barcodemae.reports import answer_files

    answer_files.check_table(output)
    check_outputs([output, repair], barcodes)
    table = read_barcodes(barcodes, prepare=False, degap=True, on_error=on_error)
    tagger = None
    if tags != "none" and (tags != "shipped" or repair is not None):
        from barcodemae.checking.tagging import Tagger
        from barcodemae.encoders.shipped_models import EDITS, shipped_model

        tagger = Tagger(shipped_model(EDITS) if tags == "shipped" else tags)
    with answer_files.table_of_rows(output, COLUMNS, NUMBERS) as add:
        counts, edits = write_report(table, add, repair, tagger)
    report(output, ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common()))
    if repair is not None:
        report(repair, f"{edits} nucleotides mended")
