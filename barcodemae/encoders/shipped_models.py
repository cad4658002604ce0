"""The models that come with the package, where no other is named: to embed, and to mend."""

from __future__ import annotations

from pathlib import Path

import checkpoints
from barcodemae.errors import BarcodeMAEError

NAME = "barcodemae-coi-small"
EDITS = "enbed-coi-edits"  # says which nucleotide is extra or missing, for `barcodemae check`


def shipped_model(name: str = NAME) -> str:
    """The directory of a shipped model.

    Raises:
        BarcodeMAEError: this installation came without it.
    """
    directory = Path(checkpoints.__file__).parent / name
    if not (directory / "model.safetensors").is_file():
        raise BarcodeMAEError(
            f"{directory}: the model that comes with barcodemae is not there. Install the package "
            "again, or name a model: --model DIRECTORY or a Hub id."
        )
    return str(directory)
