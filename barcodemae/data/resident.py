"""Tables of any size in little resident memory."""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path

import pyarrow as pa


class MappedPages:
    """The pages of a memory-mapped column, to be let go of now and then.

    The system keeps what was read from a mapped file resident until memory runs short, so a
    process that has gone through a large table looks as large as the table. Let go of, a page is
    mapped again, from the system's cache, when it is next needed.

    Only whole pages of read-only file mappings are touched. For a column in memory, or without
    Linux' /proc, `release` does nothing.
    """

    def __init__(self, column: pa.ChunkedArray):
        files = _file_mappings()
        self._ranges = []
        for chunk in column.chunks:
            buffer = chunk.buffers()[-1]
            if buffer is None:
                continue
            first = -(-buffer.address // mmap.PAGESIZE) * mmap.PAGESIZE
            end = (buffer.address + buffer.size) // mmap.PAGESIZE * mmap.PAGESIZE
            if first < end and any(low <= first and end <= high for low, high in files):
                self._ranges.append((first, end - first))
        self._libc = ctypes.CDLL(None) if self._ranges else None

    def release(self) -> None:
        for address, size in self._ranges:
            self._libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(size), mmap.MADV_DONTNEED)


def _file_mappings() -> list[tuple[int, int]]:
    """Addresses (first, end) of this process's read-only mappings of files."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return []
    mappings = []
    for line in maps.read_text().splitlines():
        addresses, rights, _, _, inode = line.split()[:5]
        if inode != "0" and "w" not in rights:
            mappings.append(tuple(int(address, 16) for address in addresses.split("-")))
    return mappings
