"""`barcodemae convert`: a checkpoint of the authors' programs -> our format."""

from pathlib import Path
from typing import Annotated

import typer


def convert(
    checkpoint: Annotated[
        Path, typer.Argument(help="best_pretraining.pt of BarcodeMAE or BarcodeBERT.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory to write.")],
) -> None:
    """Convert a checkpoint of the authors' programs; nothing in the file is run."""
    from barcodemae.hub.convert import convert as convert_checkpoint

    convert_checkpoint(checkpoint, output)
    print(f"{output}: converted from {checkpoint.name}")
