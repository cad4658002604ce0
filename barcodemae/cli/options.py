"""Options that several commands have: one wording and one meaning for each."""

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from barcodemae.errors import BarcodeMAEError, FaultyRecord

Barcodes = Annotated[
    list[str],
    typer.Argument(
        help="FASTA, FASTQ, CSV, TSV, xlsx or Parquet files; packed ones and globs too."
    ),
]
LibraryFolder = Annotated[
    Path, typer.Option("--library", "-l", help="Folder that `library build` wrote.")
]
Encoder = Annotated[str, typer.Option(help="sites, kmer:6, a checkpoint directory or a Hub id.")]
Inference = Annotated[
    str, typer.Option(help="metric (default of sites), none (default of models), centre, whiten.")
]
Taxonomy = Annotated[
    list[str], typer.Option(help="Files of ids and lineages (QIIME 2, mothur) for plain FASTA.")
]
Splits = Annotated[str, typer.Option(help="Only the references of these splits, by commas.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Barcodes in a batch.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, ...; default: what there is.")]


def _probability(target: float) -> float:
    """Refused before anything is loaded."""
    from barcodemae.identification.confidence import check_target

    check_target(target)
    return target


Target = Annotated[
    float,
    typer.Option(
        callback=_probability,
        help="Threshold: the deepest rank whose probability reaches it is called.",
    ),
]
Long = Annotated[
    bool,
    typer.Option(
        "--long", envvar="BARCODEMAE_LONG", help="A row for each barcode and rank instead."
    ),
]
Degap = Annotated[bool, typer.Option(help="Take gaps (- and .) out of the barcodes.")]
OnError = Annotated[
    str, typer.Option(help="raise: stop at a faulty record; skip: leave it out and say so.")
]
TrustRemoteCode = Annotated[
    bool, typer.Option(help="Run code from the repository of a model that no table knows.")
]


class Command(TyperCommand):
    """A command that names `--on-error skip`, where it has that, when a faulty record stops it."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except FaultyRecord as error:
            if all(option.name != "on_error" for option in self.params):
                raise
            raise BarcodeMAEError(
                f"{error}; or leave such records out with --on-error skip"
            ) from error


class Group(TyperGroup):
    """Commands whose list says each one's first sentence to its end, whatever the width."""

    def format_commands(self, ctx, formatter):
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(999)) for name, each in commands])


def listed(names: str) -> tuple[str, ...]:
    """The names of an option that takes several, by commas."""
    return tuple(name.strip() for name in names.split(",") if name.strip())
