"""The command line `barcodemae`: each command imports its work when it runs."""

import logging
import sys

import typer

from barcodemae.cells import printable
from barcodemae.cli.check import check
from barcodemae.cli.classify import classify
from barcodemae.cli.convert import convert
from barcodemae.cli.embed import embed
from barcodemae.cli.evaluate import evaluate
from barcodemae.cli.export import export
from barcodemae.cli.identify import identify
from barcodemae.cli.push import push
from barcodemae.cli.serve import serve
from barcodemae.cli.simulate import simulate
from barcodemae.errors import BarcodeMAEError

app = typer.Typer(
    help="DNA barcode embeddings by a masked autoencoder.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
for _command in (
    check,
    classify,
    convert,
    embed,
    evaluate,
    export,
    identify,
    push,
    serve,
    simulate,
):
    app.command()(_command)


class _Printable(logging.Formatter):
    """Warnings name ids of users' files: none of them may move the terminal's cursor."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def main() -> None:
    """Run the command line; what the user can put right is said in a line, without a traceback."""
    logging.lastResort.setFormatter(_Printable("%(message)s"))
    try:
        app()
    except (BarcodeMAEError, OSError) as error:
        print(printable(f"barcodemae: {error}"), file=sys.stderr)
        sys.exit(2)
