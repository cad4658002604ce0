"""`barcodemae library`: build, check, describe, extend, push and pull reference libraries."""

from pathlib import Path
from typing import Annotated

import typer

from barcodemae.cli import options

app = typer.Typer(
    cls=options.Group,
    help="Reference libraries for `identify`: built once, opened in an instant.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_References = Annotated[
    list[str],
    typer.Argument(
        help="CSV, TSV, xlsx, Parquet (BIOSCAN-5M, BOLD, CANADA-1.5M), or FASTA with SINTAX, BOLD, "
        "DADA2, MIDORI2 or GenBank headers; packed ones and globs too."
    ),
]
_Format = Annotated[str, typer.Option(help="Of FASTA headers; default: recognised.")]
_Folder = Annotated[Path, typer.Argument(help="Folder of the library.")]
_IN_PLACE = ", in place of the library that was there"


@app.command(cls=options.Command)
def build(
    references: _References,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the library.")],
    model: options.Encoder = "",
    inference: options.Inference = "",
    name: Annotated[str, typer.Option(help="Of the library; default: the folder's.")] = "",
    taxonomy: options.Taxonomy = [],  # noqa: B006
    format: _Format = "",
    split: options.Splits = "",
    device: options.Device = "",
    batch_size: options.BatchSize = 64,
    on_error: options.OnError = "raise",
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Build a library: lay the barcodes on the grid, embed them, learn the metric, calibrate."""
    from barcodemae.identification import building
    from barcodemae.identification.library_card import summary

    replaces = building.check_folder(output)
    found = read(references, taxonomy, format, split, on_error)
    remote_code = "any" if trust_remote_code else "none"
    card = building.build(
        found, output, model, inference, name, device or None, batch_size, remote_code
    )
    for line in summary(card):
        print(line)
    print(f"{output}: {card['records']:,} references{_IN_PLACE if replaces else ''}")


@app.command()
def check(
    library: _Folder,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            "-r",
            help="Table to write (.tsv, .csv, .xlsx, .parquet, .jsonl): what `barcodemae check` "
            "finds in every reference as the library holds it, on the grid.",
        ),
    ] = None,
) -> None:
    """Compare a library's files with their hashes, and look for what is not finite."""
    from barcodemae.errors import BarcodeMAEError
    from barcodemae.identification.library import Library
    from barcodemae.identification.library_card import library_faults
    from barcodemae.reports import answer_files

    if report is not None:
        answer_files.check_table(report)
    opened = Library(library)
    wrong = library_faults(opened)
    if wrong:
        raise BarcodeMAEError(f"{library}: {'; '.join(wrong)}. Build the library again.")
    print(f"{library}: whole")
    if report is not None:
        from barcodemae.checking.verdict_report import COLUMNS, NUMBERS
        from barcodemae.identification.reference_errors import write_errors

        with answer_files.table_of_rows(report, COLUMNS, NUMBERS) as add:
            verdicts = write_errors(opened, add)
        print(f"{report}: {', '.join(f'{number:,} {verdict}' for verdict, number in verdicts)}")


@app.command()
def info(library: _Folder) -> None:
    """Say what a library holds and how far its probabilities can be relied on."""
    from barcodemae.identification.library import read_card
    from barcodemae.identification.library_card import summary

    for line in summary(read_card(library)):
        print(line)


@app.command(cls=options.Command)
def add(
    library: _Folder,
    references: _References,
    taxonomy: options.Taxonomy = [],  # noqa: B006
    format: _Format = "",
    split: options.Splits = "",
    on_error: options.OnError = "raise",
) -> None:
    """Add records; what the library has is not built again, nor is it calibrated again."""
    from barcodemae.identification import building
    from barcodemae.identification.library import Library

    opened = Library(library)
    before = len(opened)
    card = building.add(opened, read(references, taxonomy, format, split, on_error))
    print(f"{library}: {card['records'] - before:,} references added, {card['records']:,} in all")


@app.command()
def index(library: _Folder) -> None:
    """Make an approximate index (FAISS) for `identify --approximate`; say how much it finds."""
    from barcodemae.identification import approximate, building
    from barcodemae.identification.library import Library

    print(f"{library}: {approximate.sentence(building.index(Library(library)))}")


@app.command()
def push(
    library: _Folder,
    repo_id: Annotated[str, typer.Argument(help="Data set on the Hub: org/name.")],
    private: Annotated[bool, typer.Option(help="Whether a new data set is private.")] = True,
) -> None:
    """Upload a library as a data set of the Hugging Face Hub."""
    from barcodemae.hub.libraries import push_library

    print(push_library(library, repo_id, private))


@app.command()
def pull(
    repo_id: Annotated[str, typer.Argument(help="Data set on the Hub: org/name.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the library.")],
    revision: Annotated[str, typer.Option(help="Commit, tag or branch.")] = "",
) -> None:
    """Download a library, check it and put it into a folder."""
    from barcodemae.hub.libraries import pull_library
    from barcodemae.identification.building import check_folder

    replaces = check_folder(output)
    card = pull_library(repo_id, output, revision or None)
    print(f"{output}: {card['records']:,} references{_IN_PLACE if replaces else ''}")


def read(references: list[str], taxonomy: list[str], format: str, split: str, on_error: str):
    """The references of the command line; what each file was taken for is said."""
    from barcodemae.cells import printable
    from barcodemae.data.references import read_references

    found = read_references(
        references,
        taxonomy or None,
        format or None,
        split=options.listed(split) or None,
        on_error=on_error,
    )
    for source, kind in found.report.formats.items():
        print(printable(f"{source}: read as {kind}"))
    return found
