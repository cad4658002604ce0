"""Files that are written whole or not at all."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from barcodemae.errors import BarcodeMAEError


def check_output(path: Path) -> None:
    """Raise BarcodeMAEError unless the file `path` can be written, before an hour of work."""
    folder = path.absolute().parent
    if path.is_dir():
        raise BarcodeMAEError(f"{path}: is a folder; give the name of a file")
    if not folder.is_dir():
        raise BarcodeMAEError(f"{path}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise BarcodeMAEError(f"{path}: nothing may be written to {folder}; give another folder")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary neighbour of `path` to write; rename it to `path` at the end.

    Where the block raises, the neighbour is removed and `path` is as it was.

    Raises:
        BarcodeMAEError: `path` cannot be written.
    """
    check_output(path)
    # Hidden, so that who reads a folder of files meets none that is not complete.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_tsv(path: Path, columns: Sequence[str]) -> Iterator[Callable[[Iterable[Sequence]], None]]:
    """Give a function that adds rows to a tab-separated file with a header; as `whole_file`."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        yield writer.writerows
