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
    """
    # Hidden, so that who reads a folder of files meets none that is not complete; and each process
    # has its own.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill the temporary file of `whole_file`; the folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        write(temporary)


def write_whole_text(path: Path, text: str) -> None:
    """Write a text as UTF-8; as `write_whole`."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


@contextmanager
def whole_tsv(path: Path, columns: Sequence[str]) -> Iterator[Callable[[Iterable[Sequence]], None]]:
    """Give a function that adds rows to a tab-separated file with a header; as `whole_file`.

    Raises:
        BarcodeMAEError: `path` cannot be written.
    """
    check_output(path)
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        yield writer.writerows
