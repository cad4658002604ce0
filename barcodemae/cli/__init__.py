"""The command line `barcodemae`: each command imports its work when it runs."""

import logging
import sys
from importlib import import_module
from typing import Annotated

import typer

from barcodemae import __version__
from barcodemae.cells import printable
from barcodemae.cli.library import app as library
from barcodemae.cli.options import Command, Group
from barcodemae.cli.train import HelpFirst, train
from barcodemae.errors import BarcodeMAEError

# What barcodemae has, and barcodemae-lite has not.
_NOT_IN_LITE = ("torch", "transformers", "accelerate", "evaluate", "matplotlib", "pyhmmer")

_COMMANDS = (
    *("check", "classify", "convert", "doctor", "draw", "embed", "evaluate", "export", "identify"),
    *("place", "push", "serve", "simulate"),
)
app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode=None,  # its boxes cut long words at 80 columns
)
for _name in _COMMANDS:  # each the function of the module that is called so
    app.command(cls=Command)(getattr(import_module(f"{__name__}.{_name}"), _name))
# What follows the script's name is the script's, --help too.
_ALL_THAT_FOLLOWS = {"allow_extra_args": True, "ignore_unknown_options": True}
app.command(cls=HelpFirst, context_settings=_ALL_THAT_FOLLOWS, add_help_option=False)(train)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"barcodemae {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """DNA barcode embeddings by a masked autoencoder."""


class _Printable(logging.Formatter):
    """Warnings name ids of users' files: none of them may move the terminal's cursor."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


app.add_typer(library, name="library")


def main() -> None:
    """Run the command line; what the user can put right is said in a line, without a traceback."""
    if logging.lastResort:
        logging.lastResort.setFormatter(_Printable("%(message)s"))
    try:
        app()
    except ModuleNotFoundError as error:
        if error.name not in _NOT_IN_LITE:
            raise
        print(f"barcodemae: this needs {error.name}, which is not installed here.", file=sys.stderr)
        print("Install barcodemae whole: pip install barcodemae", file=sys.stderr)
        sys.exit(2)
    except (BarcodeMAEError, OSError) as error:
        told = str(error)
        if isinstance(error, OSError) and error.filename and error.strerror:
            told = f"{error.filename}: {error.strerror}"
        print(printable(f"barcodemae: {told}"), file=sys.stderr)
        sys.exit(2)
