"""`barcodemae classify`: name barcodes with a fine-tuned model."""

from pathlib import Path
from typing import Annotated

import typer


def classify(
    queries: Annotated[
        list[str],
        typer.Argument(help="FASTA, FASTQ, CSV, TSV or Parquet files; .gz and globs too."),
    ],
    model: Annotated[str, typer.Option(help="Directory that train.finetune wrote, or Hub id.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, as of identify.")],
    long: Annotated[
        bool,
        typer.Option("--long", envvar="BARCODEMAE_LONG", help="A row for each barcode and rank."),
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Barcodes in a batch.")] = 64,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...; default: what there is.")] = "",
    degap: Annotated[bool, typer.Option(help="Take gaps (- and .) out of the barcodes.")] = False,
    on_error: Annotated[
        str, typer.Option(help="raise: stop at a faulty record; skip: leave it out and say so.")
    ] = "raise",
) -> None:
    """Name barcodes at each rank that the model was fine-tuned for.

    The columns are those of `identify`; the deepest rank is called whose probability reaches the
    threshold that was calibrated on validation barcodes. With --long a TSV has a row for each
    record and rank: id, rank, taxon, probability, and "confident" or "not confident".
    """
    from barcodemae.data import read_barcodes
    from barcodemae.identification.classification import Classifier, write_calls
    from barcodemae.identification.classified import answer
    from barcodemae.outputs import check_output
    from barcodemae.reports import files

    if long:
        check_output(output, queries)
    else:
        files.check(output, queries)
    classifier = Classifier.from_pretrained(model, device or None)
    barcodes = read_barcodes(queries, prepare=False, degap=degap, on_error=on_error)
    ids, sequences = barcodes["processid"][:], barcodes["nucleotides"][:]
    if long:
        write_calls(output, classifier, ids, sequences, batch_size)
    else:
        files.write(answer(classifier, ids, sequences, batch_size), output)
    ranks = ", ".join(classifier.lineages.ranks)
    print(f"{output}: {len(barcodes)} barcodes named ({ranks})")
