"""Folders of Parquet shards, resumed after a stop: their names, rows and manifest.

Shard s holds the records s x size to (s + 1) x size of the input, in order, so the names of the
files sort as the input does and `pandas.read_parquet(FOLDER)` reads them as one table. A shard
appears when it is complete, which is all that a resumed run has to know.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from barcodemae.errors import BarcodeMAEError
from barcodemae.outputs import write_whole_text


def check_alone(output: Path) -> None:
    """Raise BarcodeMAEError if this is one of several processes: they cannot share a file."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise BarcodeMAEError(
            f"{output}: several processes write a folder of Parquet shards; give a name without "
            f"an ending, for example {output.with_suffix('')}"
        )


def shards_of(folder: Path, records: int, size: int) -> list[tuple[Path, range]]:
    """The path of each shard, and the rows of the input that it holds."""
    count = -(-records // size)
    return [
        (
            folder / f"part-{number:05d}-of-{count:05d}.parquet",
            range(number * size, min((number + 1) * size, records)),
        )
        for number in range(count)
    ]


def check_folder(folder: Path, manifest: str, identity: dict, holds: str, remedy: str) -> None:
    """Refuse the folder of others.

    Args:
        manifest: name of the JSON file that `claim` writes; readers of Parquet folders pass over
            names that begin with "_".
        identity: all that the shards depend on.
        holds, remedy: what the message calls shards of another identity, and what would complete
            them.

    Raises:
        BarcodeMAEError: the folder is a file, holds other files or shards of another identity.
    """
    path = folder / manifest
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [name for name, value in identity.items() if before.get(name) != value]
        if changed:
            raise BarcodeMAEError(
                f"{folder}: holds {holds} (these differ: {', '.join(changed)}). Give another "
                f"folder, or {remedy} to complete them."
            )
    elif folder.is_file():
        raise BarcodeMAEError(f"{folder}: is a file; give the name of a folder")
    elif folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise BarcodeMAEError(f"{folder}: holds other files; give a new or an empty folder")


def claim(folder: Path, manifest: str, identity: dict) -> None:
    """Note in the folder what its shards are made from."""
    write_whole_text(folder / manifest, json.dumps(identity, indent=1) + "\n")
