"""The model that comes with the package: what embeds and identifies where no other is named."""

from __future__ import annotations

from pathlib import Path

import checkpoints
from barcodemae.errors import BarcodeMAEError

NAME = "barcodemae-coi-small"


def shipped_model() -> str:
    """The directory of the shipped model.

    Raises:
        BarcodeMAEError: this installation came without it.
    """
    directory = Path(checkpoints.__file__).parent / NAME
    if not (directory / "model.safetensors").is_file():
        raise BarcodeMAEError(
            f"{directory}: the model that comes with barcodemae is not there. Install the package "
            "again, or name a model: --model DIRECTORY or a Hub id."
        )
    return str(directory)
