"""`barcodemae classify`: name barcodes with a fine-tuned model."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from barcodemae.cli import options


def classify(
    queries: options.Barcodes,
    model: Annotated[str, typer.Option(help="Directory that train.finetune wrote, or Hub id.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, as of identify.")],
    long: options.Long = False,
    batch_size: options.BatchSize = 64,
    device: options.Device = "",
    degap: options.Degap = False,
    on_error: options.OnError = "raise",
) -> None:
    """Name barcodes at each rank that the model was fine-tuned for.

    The columns are those of `identify`; the deepest rank is called whose probability reaches the
    threshold that was calibrated on validation barcodes. With --long a TSV has a row for each
    record and rank: id, rank, taxon, probability, and "confident" or "not confident".
    """
    from barcodemae.data import read_barcodes
    from barcodemae.identification.classification import Classifier, write_calls
    from barcodemae.identification.classified import answer
    from barcodemae.outputs import check_output, report
    from barcodemae.reports import answer_files
    from barcodemae.reports.summary import sentence

    if long:
        check_output(output, queries)
    else:
        answer_files.check(output, queries)
    classifier = Classifier.from_pretrained(model, device or None)
    barcodes = read_barcodes(queries, prepare=False, degap=degap, on_error=on_error)
    ids, sequences = barcodes["processid"][:], barcodes["nucleotides"][:]
    if long:
        write_calls(output, classifier, ids, sequences, batch_size)
        said = f"named ({', '.join(classifier.lineages.ranks)})"
    else:
        answers = answer(classifier, ids, sequences, batch_size)
        answer_files.write(answers, output)
        said = f"classified: {sentence(answers.table)}"
    report(output, f"{len(barcodes):,} barcodes {said}")
    if not classifier.thresholds:
        print(
            "nothing is called: the model has no calibrated thresholds, which train.finetune adds; "
            "--long gives the likeliest taxa",
            file=sys.stderr,
        )
