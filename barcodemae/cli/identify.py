"""`barcodemae identify`: a verdict for each barcode, by a reference library."""

from pathlib import Path
from typing import Annotated

import typer


def identify(
    queries: Annotated[
        list[str],
        typer.Argument(help="FASTA, FASTQ, CSV, TSV or Parquet files; packed ones and globs too."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="File to write; its ending names the format: .tsv, .csv, .xlsx, .parquet, "
            ".jsonl, .qiime2.tsv, .phyloseq.tsv, .dwc.csv. Without an ending: a folder of "
            "Parquet shards, shared out by `accelerate launch`, resumed after a stop.",
        ),
    ],
    library: Annotated[
        Path | None, typer.Option("--library", "-l", help="Folder that `library build` wrote.")
    ] = None,
    reference: Annotated[
        list[str],
        typer.Option(help="Instead of a library: files of labelled barcodes; kept as a library."),
    ] = [],  # noqa: B006
    model: Annotated[
        str,
        typer.Option(help="With --reference: sites, kmer:6, a checkpoint directory, a Hub id."),
    ] = "",
    target: Annotated[
        float,
        typer.Option(help="Threshold: the deepest rank whose probability reaches it is called."),
    ] = 0.95,
    min_overlap: Annotated[
        int, typer.Option(min=1, help="Sites of the COI region below which nothing is called.")
    ] = 100,
    report: Annotated[Path | None, typer.Option(help="HTML page to write beside.")] = None,
    long: Annotated[
        bool,
        typer.Option(
            "--long", envvar="BARCODEMAE_LONG", help="A row for each barcode and rank instead."
        ),
    ] = False,
    ranks: Annotated[str, typer.Option(help="Ranks of --long, coarse to fine.")] = "genus,species",
    open_names: Annotated[
        bool, typer.Option("--open-names", help="Let `Pieris sp.` and the like be species.")
    ] = False,
    inference: Annotated[
        str, typer.Option(help="With --reference: metric, none, centre or whiten.")
    ] = "",
    taxonomy: Annotated[
        list[str], typer.Option(help="With --reference: files of ids and lineages.")
    ] = [],  # noqa: B006
    reference_split: Annotated[
        str, typer.Option(help="With --reference: only these splits, by commas.")
    ] = "",
    shard_size: Annotated[int, typer.Option(min=1, help="Barcodes in a shard of a folder.")] = 8192,
    batch_size: Annotated[int, typer.Option(min=1, help="Barcodes in a batch.")] = 64,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...; default: what there is.")] = "",
    on_error: Annotated[
        str, typer.Option(help="raise: stop at a faulty record; skip: leave it out and say so.")
    ] = "raise",
    trust_remote_code: Annotated[
        bool, typer.Option(help="Run code from the repository of a model that no table knows.")
    ] = False,
) -> None:
    """Give each barcode a verdict: known species, new species of a genus, genus not in the library.

    One row for each record, with calibrated probabilities, the nearest reference and flags. A rank
    whose probability stays below --target is left empty, and so is everything below it.
    """
    from barcodemae.identification import batches
    from barcodemae.outputs import is_stream
    from barcodemae.outputs import report as say
    from barcodemae.reports import files, page
    from barcodemae.reports.summary import sentence

    named = tuple(rank.strip() for rank in ranks.split(","))
    batches.check_ranks(named)
    sharded = output.suffix == "" and not is_stream(output)
    batches.check_processes(output, sharded)
    inputs = [*queries, *reference, *([library] if library else [])]
    if not sharded:
        files.check(output, inputs)
    if report:
        page.check_html(report, inputs)
    opened = batches.open_library(
        batches.Wanted(
            library,
            tuple(reference),
            model,
            inference,
            tuple(taxonomy),
            tuple(name.strip() for name in reference_split.split(",") if name.strip()),
            on_error,
            "any" if trust_remote_code else "none",
            open_names,
            device or None,
            batch_size,
        )
    )
    settings = batches.Settings(target, min_overlap)
    barcodes = batches.read_queries(queries, on_error)
    if sharded:
        count = batches.write_shards(output, opened, barcodes, settings, shard_size)
        print(f"{output}: {count:,} barcodes identified by {len(opened):,} references")
        return
    answers = batches.answer(opened, barcodes, settings)
    if long:
        files.write_table(batches.as_text(answers.long(named)), output)
    else:
        files.write(answers, output)
    if report:
        page.write_html(answers, report)
    say(
        output,
        f"{len(barcodes):,} barcodes identified by {len(opened):,} references: "
        f"{sentence(answers.table)}",
    )
