"""Directories that are written whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from barcodemae.errors import BarcodeMAEError
from barcodemae.outputs import full_disk_named, held_folder


@contextmanager
def whole_directory(output: str | Path, replace: bool = False) -> Iterator[Path]:
    """Give a temporary neighbour of `output` to write in; rename it to `output` at the end.

    Where the block raises, the neighbour is removed and `output` is as it was. The neighbour is
    held: it is one process's at a time, and what a killed one left is removed first.

    Args:
        output: the directory.
        replace: whether it may exist with content, which the new one then takes the place of.

    Raises:
        BarcodeMAEError: `output` exists and may not be replaced, another process is writing it, or
            the disk is full.
    """
    output = Path(os.path.abspath(output))
    check = _refuse_file if replace else _refuse_content
    check(output)
    old = output.with_name(f".{output.name}.old")
    temporary = output.with_name(f".{output.name}.tmp")
    with full_disk_named(output), held_folder(temporary, shown=output):
        for left in temporary.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        try:
            _undo(old, output)
            check(output)  # another process may have written it before the lock was ours
            yield temporary
            _share(temporary)
            if replace and output.exists():
                shutil.rmtree(old, ignore_errors=True)
                output.rename(old)
            os.replace(temporary, output)
            shutil.rmtree(old, ignore_errors=True)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def recover(output: Path) -> None:
    """Undo a replacement that was killed half-way, and remove what it left; nobody may write it."""
    old, temporary = (output.with_name(f".{output.name}.{end}") for end in ("old", "tmp"))
    _undo(old, output)
    for left in (old, temporary):
        shutil.rmtree(left, ignore_errors=True)


def _undo(old: Path, output: Path) -> None:
    if old.exists() and not output.exists():  # killed between the two renamings
        old.rename(output)


def _refuse_file(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise BarcodeMAEError(f"{output}: is a file; give the name of a directory")


def _refuse_content(output: Path) -> None:
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise BarcodeMAEError(
            f"{output} exists and is not empty. Remove it, or write to another directory."
        )


def _share(directory: Path) -> None:
    """Give every file the access rights of ordinary new ones; temporary ones are private."""
    umask = os.umask(0)
    os.umask(umask)
    for path in directory.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
