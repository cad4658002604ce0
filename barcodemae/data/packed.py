"""Packed files: gzip, bzip2, xz, Zstandard and zip with one data file in it, and the first sheet of
a workbook; told by content."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, cast

try:
    from isal import igzip
    from isal.isal_zlib import error as igzip_error
except ImportError:  # there is none for this machine
    import gzip as igzip  # type: ignore[no-redef]
    from zlib import error as igzip_error  # type: ignore[assignment]
try:
    from compression import zstd
except ImportError:  # before Python 3.14
    from backports import zstd

BUFFER = 1 << 20
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_OPENERS = {
    _GZIP: igzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"\x28\xb5\x2f\xfd": zstd.open,
}
# What a packed file raises where it breaks off or is damaged.
PACKING_ERRORS: tuple[type[Exception], ...] = (
    *(EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstd.ZstdError),
    *(zipfile.BadZipFile, NotImplementedError, cast(type[Exception], igzip_error)),
)
DAMAGED = "truncated or damaged {}: {}; fetch or compress the file again"


class Unreadable(Exception):
    """The rest of a file cannot be read, for the reason given."""


class _Guarded(io.RawIOBase):
    """A stream whose `OSError` of bad content ("Invalid data stream", a seek to nowhere) is an
    EOFError."""

    def __init__(self, stream: Any):
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        try:
            data = self._stream.read1(len(buffer))
        except OSError as error:
            if error.errno not in (None, errno.EINVAL) or isinstance(error, gzip.BadGzipFile):
                raise
            raise EOFError(str(error)) from None
        buffer[: len(data)] = data
        return len(data)


def opened(path: str | Path) -> io.BufferedReader:
    """A file, to be read through a large buffer."""
    return cast(io.BufferedReader, open(path, "rb", buffering=BUFFER))


def unpack(raw: Any) -> io.BufferedReader:
    """The content of `raw`, a file at its beginning, unpacked however often it is packed; of a
    workbook (.xlsx) the first sheet as CSV.

    Raises:
        Unreadable: a tar, a workbook that is packed or damaged, or a zip with several files or a
            password.
        one of PACKING_ERRORS: the packing is damaged.
    """
    stream = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(raw, BUFFER)
    for depth in range(3):
        head = stream.peek(6)[:6]
        if head.startswith(_ZIP):
            stream = io.BufferedReader(_Guarded(_only_member(stream, depth > 0)), BUFFER)
            continue
        opener = next((open for magic, open in _OPENERS.items() if head.startswith(magic)), None)
        if opener is None:
            break
        stream = io.BufferedReader(_Guarded(opener(stream, "rb")), BUFFER)
    _refuse_tar(stream)
    return stream


def skip_blank(stream: io.BufferedReader) -> int:
    """Go over white space up to the first line that holds anything else; the lines gone over."""
    lines = 0
    while ahead := stream.peek(BUFFER):
        blank = len(ahead) - len(ahead.lstrip())
        end = ahead.rfind(b"\n", 0, blank) + 1
        lines += stream.read(end).count(b"\n")
        if blank < len(ahead):
            break
        if not end:  # blanks for a whole buffer
            stream.read(blank)
    return lines


def packing_of(head: bytes) -> str:
    """The name of what packs a file that begins with `head`."""
    names = {_GZIP: "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "Zstandard"}
    return next((name for magic, name in names.items() if head.startswith(magic)), "zip")


def _only_member(stream: io.BufferedReader, is_packed: bool) -> IO[bytes]:
    whole = stream if stream.seekable() else io.BytesIO(stream.read())
    try:
        archive = zipfile.ZipFile(whole)
    except (OSError, ValueError, struct.error) as error:
        raise zipfile.BadZipFile(str(error)) from None
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    if "[Content_Types].xml" in names:
        if is_packed or not any(name.startswith("xl/") for name in names):
            raise Unreadable(_office_file(names))
        from barcodemae.data.spreadsheets import as_csv  # for the few that need it

        return as_csv(whole)
    # What macOS adds is no data.
    names = [n for n in names if not n.startswith("__MACOSX/") and n.rpartition("/")[2][:1] != "."]
    if len(names) != 1:
        listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise Unreadable(
            f"a zip archive with {len(names)} files ({listed or 'none'}): unpack it and name the "
            "file with the barcodes"
        )
    try:
        return archive.open(names[0])
    except (OSError, ValueError, struct.error) as error:
        raise zipfile.BadZipFile(str(error)) from None
    except NotImplementedError:
        raise
    except RuntimeError as error:  # a password
        raise Unreadable(f"a zip archive that does not open: {error}; unpack it first") from None


def _office_file(names: list[str]) -> str:
    """What a file of Microsoft Office is, by the members of its archive, and what to do."""
    if any(name.startswith("word/") for name in names):
        return "a Word document (.docx): save the barcodes as plain text and name that file"
    if any(name.startswith("xl/") for name in names):
        return "a spreadsheet (.xlsx) that is packed: unpack it and name that file"
    return "an Office document: save the barcodes as FASTA or CSV and name that file"


def _refuse_tar(stream: io.BufferedReader) -> None:
    head = stream.peek(tarfile.BLOCKSIZE)[: tarfile.BLOCKSIZE]
    try:
        info = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return
    raise Unreadable(
        f"a tar archive (its first member is {info.name}): unpack it, for example with `tar -xf`, "
        "and name the file with the barcodes"
    )
