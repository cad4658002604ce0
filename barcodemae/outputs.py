"""Files that are written whole or not at all, by one process at a time."""

import errno
import glob
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from barcodemae.cells import delimited_writer, printable
from barcodemae.errors import BarcodeMAEError

try:
    import fcntl
except ImportError:  # Windows, where files are written whole but without a lock
    fcntl = None

STANDARD_OUTPUT = "-"
_FULL = (errno.ENOSPC, errno.EDQUOT)
# As safetensors, PyTorch and NumPy say it, who do not pass on the number.
_FULL_IN_WORDS = re.compile(r"No space left|unexpected pos \d+ vs|requested and \d+ written")
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


def check_output(path: Path, inputs: Iterable[str | Path] = ()) -> None:
    """Raise BarcodeMAEError unless `path` can be written, before an hour of work.

    `-` is standard output. `inputs` are the files, globs and folders that the work reads: none of
    them, under whatever name, may be what is written.
    """
    if str(path) == STANDARD_OUTPUT:
        return
    target = Path(os.path.realpath(path))
    folder = target.parent
    if path.is_dir():
        raise BarcodeMAEError(f"{path}: is a folder; give the name of a file")
    if path.suffix.lower() in _PACKED:
        raise BarcodeMAEError(f"{path}: files are written unpacked; give a name without the ending")
    if _is_special(path):
        _check_written_through(path)
        return
    if not folder.is_dir():
        raise BarcodeMAEError(f"{path}: there is no folder {folder}; make it first")
    if not os.access(folder, os.W_OK):
        raise BarcodeMAEError(f"{path}: nothing may be written to {folder}; give another folder")
    _check_no_input(path, inputs)


def check_outputs(paths: Sequence[Path | None], inputs: Iterable[str | Path] = ()) -> None:
    """`check_output` of each path that is not None; no two may be one and the same."""
    inputs = list(inputs)
    seen: set[str] = set()
    for path in filter(None, paths):
        check_output(path, inputs)
        name = STANDARD_OUTPUT if str(path) == STANDARD_OUTPUT else os.path.realpath(path)
        if name in seen and name != os.devnull:
            raise BarcodeMAEError(f"{path}: is to be two outputs; give each a name of its own")
        seen.add(name)


def check_folder(folder: Path) -> None:
    """Raise BarcodeMAEError unless files can be written to `folder`, made if need be."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise BarcodeMAEError(f"{folder}: {there} is a file; give the name of a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise BarcodeMAEError(f"{folder}: nothing may be written to {there}; give another folder")


def _check_no_input(path: Path, inputs: Iterable[str | Path]) -> None:
    if not path.exists():
        return
    for given in map(str, inputs):
        for read in [given, *glob.glob(given)]:
            if os.path.exists(read) and os.path.samefile(read, path):
                raise BarcodeMAEError(
                    f"{path}: is also an input ({given}), which it would destroy; "
                    "give another name for the output"
                )


def is_stream(path: Path) -> bool:
    """Whether `path` is standard output (`-`), a device or a FIFO, and not a file or folder."""
    return str(path) == STANDARD_OUTPUT or _is_special(path)


def report(path: Path, found: str) -> None:
    """Print what was written to `path`: beside it where that is standard output."""
    printed_to = sys.stderr if is_stream(path) else sys.stdout
    print(printable(f"{path}: {found}"), file=printed_to)


def _is_special(path: Path) -> bool:
    """Whether there is something at `path` that is no file to be replaced: a device, a FIFO."""
    # /dev/stdout and /dev/fd/3 stand for open files: they are written to, never replaced.
    in_system = str(path.absolute()).startswith(("/dev/", "/proc/"))
    return path.exists() and not path.is_dir() and (in_system or not path.is_file())


def _check_written_through(path: Path) -> None:
    mode = path.stat().st_mode
    if not (stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or stat.S_ISREG(mode)):
        raise BarcodeMAEError(f"{path}: is a disk or a socket; give the name of a file")
    if not os.access(path, os.W_OK):
        raise BarcodeMAEError(f"{path}: may not be written; give another name")


@contextmanager
def whole_file(path: Path, wait: bool = False) -> Iterator[Path]:
    """Give a temporary neighbour of `path` to write; rename it to `path` at the end.

    Where the block raises, the neighbour is removed and `path` is as it was. The neighbour is
    locked: it is one process's at a time, and what a killed one left is written over. A symbolic
    link stays and what it points to is written; into a device, a FIFO or `-` (standard output)
    the content is copied at the end.

    Raises:
        BarcodeMAEError: another process is writing `path` (with `wait`, its end is awaited), or
            the disk is full.
    """
    with full_disk_named(path):
        if is_stream(path):
            with tempfile.TemporaryDirectory() as folder:
                yield Path(folder) / "output"
                _copy_through(Path(folder) / "output", path)
            return
        target = Path(os.path.realpath(path))
        # A name that listings leave out, so that readers of the folder find complete files alone.
        temporary = target.with_name(f".{target.name}.tmp")
        with _locked(temporary, path, wait):
            try:
                yield temporary
                if target.exists():
                    shutil.copymode(target, temporary)
                os.replace(temporary, target)
            except BaseException:
                # Only now: once it is renamed, a neighbour of this name is another process's.
                temporary.unlink(missing_ok=True)
                raise


@contextmanager
def _locked(temporary: Path, path: Path, wait: bool) -> Iterator[None]:
    """Hold the lock on the file `temporary`, empty."""
    descriptor = _open_locked(temporary, path, wait)
    try:
        yield
    finally:
        os.close(descriptor)


def _open_locked(temporary: Path, path: Path, wait: bool) -> int:
    while True:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _lock(descriptor, path, wait)
            # Its last owner may have renamed or removed it between the opening and the lock.
            if os.path.samestat(os.fstat(descriptor), temporary.stat()):
                os.ftruncate(descriptor, 0)
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: Path, wait: bool) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise BarcodeMAEError(
            f"{path}: another process is writing it; wait for its end, or give another name"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:  # some network disks know none
            raise


@contextmanager
def held_folder(folder: Path, shown: Path | None = None) -> Iterator[None]:
    """Hold the folder `folder`, made if need be, against a second start of the same work.

    Args:
        folder: to be held.
        shown: what the message calls it; None: by its name.

    Raises:
        BarcodeMAEError: another process holds it, or there is a file of this name.
    """
    if folder.exists() and not folder.is_dir():
        raise BarcodeMAEError(f"{shown or folder}: is a file; give the name of a folder")
    folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _lock(descriptor, shown or folder, wait=False)
        yield
    finally:
        os.close(descriptor)


def _copy_through(content: Path, path: Path) -> None:
    with content.open("rb") as source:
        if str(path) != STANDARD_OUTPUT:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND), "wb") as sink:
                shutil.copyfileobj(source, sink)
            return
        try:
            sys.stdout.flush()
            shutil.copyfileobj(source, sys.stdout.buffer)
            sys.stdout.flush()
        except BrokenPipeError:
            # Who reads has enough, such as `head`; nor may the interpreter's last flush complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def full_disk_named(path: Path) -> Iterator[None]:
    """Say in a line which file a full disk kept from being written, `path` where none is named."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        number = getattr(error, "errno", None)
        if number not in _FULL and (number or not _FULL_IN_WORDS.search(str(error))):
            raise
        full = getattr(error, "filename", None) or path
        raise BarcodeMAEError(
            f"{full}: the disk is full; make room or write to another one, and run it again"
        ) from error


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill the temporary file of `whole_file`; the folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, wait=True) as temporary:
        write(temporary)


def write_whole_text(path: Path, text: str) -> None:
    """Write a text as UTF-8; as `write_whole`."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


@contextmanager
def whole_tsv(path: Path, columns: Sequence[str]) -> Iterator[Callable[[Iterable[Sequence]], None]]:
    """Give a function that adds rows to a tab-separated file with a header; as `whole_file`.

    Cells are made safe as `barcodemae.cells` says.

    Raises:
        BarcodeMAEError: `path` cannot be written.
    """
    check_output(path)
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        yield delimited_writer(file, columns, "\t")
