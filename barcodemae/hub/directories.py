"""Directories that are written whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from barcodemae.errors import BarcodeMAEError


@contextmanager
def whole_directory(output: str | Path) -> Iterator[Path]:
    """Give a temporary neighbour of `output` to write in; rename it to `output` at the end.

    Where the block raises, the neighbour is removed and `output` is as it was.

    Raises:
        BarcodeMAEError: `output` exists and is not an empty directory.
    """
    output = Path(os.path.abspath(output))
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise BarcodeMAEError(
            f"{output} exists and is not empty. Remove it, or write to another directory."
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{output.name}.", suffix=".tmp", dir=output.parent))
    try:
        yield temporary
        _share(temporary)
        os.replace(temporary, output)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _share(directory: Path) -> None:
    """Give everything the access rights of ordinary new files; temporary ones are private."""
    umask = os.umask(0)
    os.umask(umask)
    directory.chmod(0o777 & ~umask)
    for path in directory.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
