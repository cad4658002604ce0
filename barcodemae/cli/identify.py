"""`barcodemae identify`: a verdict for each barcode, by a reference library."""

import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from barcodemae.cli import options

_Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help="File to write; its ending names the format: .tsv, .csv, .xlsx, .parquet, .jsonl, "
        ".qiime2.tsv, .phyloseq.tsv, .dwc.csv. Without an ending: a folder of Parquet shards, "
        "shared out by `accelerate launch`, resumed after a stop.",
    ),
]
_Library = Annotated[
    Path | None, typer.Option("--library", "-l", help="Folder that `library build` wrote.")
]
_Reference = Annotated[
    list[str],
    typer.Option(help="Instead of a library: files of labelled barcodes; kept as a library."),
]
_MinOverlap = Annotated[
    int, typer.Option(min=1, help="Sites of the COI region below which nothing is called.")
]
_Report = Annotated[Path | None, typer.Option(help="HTML page to write beside.")]
_Ranks = Annotated[str, typer.Option(help="Ranks of --long, coarse to fine.")]
_OpenNames = Annotated[
    bool, typer.Option("--open-names", help="Let `Pieris sp.` and the like be species.")
]
_Tags = Annotated[
    str, typer.Option(help="Directory of an ENBED with edit tags, which then speak in the flags.")
]
_Approximate = Annotated[
    bool, typer.Option("--approximate", help="Search through the index of `library index`.")
]
_ShardSize = Annotated[int, typer.Option(min=1, help="Barcodes in a shard of a folder.")]


def identify(
    queries: options.Barcodes,
    output: _Output,
    library: _Library = None,
    reference: _Reference = [],  # noqa: B006
    model: options.Encoder = "",
    target: options.Target = 0.95,
    min_overlap: _MinOverlap = 100,
    report: _Report = None,
    tags: _Tags = "",
    approximate: _Approximate = False,
    long: options.Long = False,
    ranks: _Ranks = "genus,species",
    open_names: _OpenNames = False,
    inference: options.Inference = "",
    taxonomy: options.Taxonomy = [],  # noqa: B006
    reference_split: options.Splits = "",
    shard_size: _ShardSize = 8192,
    batch_size: options.BatchSize = 64,
    device: options.Device = "",
    on_error: options.OnError = "raise",
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Give each barcode a verdict: known species, new species of a genus, genus not in the library.

    One row for each record, with calibrated probabilities, the nearest reference and flags. A rank
    whose probability stays below --target is left empty, and so is everything below it. --model,
    --inference, --taxonomy and --reference-split belong to --reference.
    """
    gc.set_threshold(100_000)  # most objects stay to the end; to look for others takes 3 % of it
    from barcodemae.identification import batches

    named = tuple(rank.strip() for rank in ranks.split(","))
    batches.check_ranks(named)
    inputs = [*queries, *reference, *taxonomy, *([library] if library else [])]
    sharded = _check_outputs(output, report, inputs)
    wanted = batches.Wanted(
        library,
        tuple(reference),
        model,
        inference,
        tuple(taxonomy),
        options.listed(reference_split),
        on_error,
        "any" if trust_remote_code else "none",
        open_names,
        device or None,
        batch_size,
        approximate,
    )
    opened = _open(wanted)
    settings = batches.Settings(target, min_overlap, tags)
    barcodes = batches.read_queries(queries, on_error)
    if sharded:
        count = batches.write_shards(output, opened, barcodes, settings, shard_size)
        print(f"{output}: {count:,} barcodes identified by {len(opened):,} references")
        return
    answers = batches.answer(opened, barcodes, settings)
    _write(answers, output, report, named if long else None)
    _report(output, answers, len(opened))


def _open(wanted):
    """The library; where its index is searched, say how far that can be relied on."""
    from barcodemae.identification import batches
    from barcodemae.identification.approximate import sentence

    opened = batches.open_library(wanted)
    if wanted.approximate:
        print(sentence(opened.card["index"]), file=sys.stderr)
    return opened


def _check_outputs(output: Path, report: Path | None, inputs: list) -> bool:
    """Refuse outputs that could not be written; whether `output` is a folder of shards."""
    from barcodemae.outputs import is_stream
    from barcodemae.reports import answer_files
    from barcodemae.shard_folders import check_alone

    sharded = output.suffix == "" and not is_stream(output)
    if not sharded:
        check_alone(output)
        answer_files.check(output, inputs)
    if report:
        from barcodemae.reports import page  # loads what draws it

        page.check_html(report, inputs)
    return sharded


def _write(answers, output: Path, report: Path | None, ranks: tuple[str, ...] | None) -> None:
    """Write the table, a row for each of `ranks` where they are given, and the HTML page."""
    from barcodemae.identification import batches
    from barcodemae.reports import answer_files

    if ranks:
        answer_files.write_table(batches.as_text(answers.long(ranks)), output)
    else:
        answer_files.write(answers, output)
    if report:
        from barcodemae.reports import page

        page.write_html(answers, report)


def _report(output: Path, answers, references: int) -> None:
    from barcodemae.outputs import report
    from barcodemae.reports.summary import sentence

    count = f"{len(answers.table):,} barcodes identified by {references:,} references"
    report(output, f"{count}: {sentence(answers.table)}")
