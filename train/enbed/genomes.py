"""Genomes as windows of nucleotides, read on the fly: FASTA files of any size, plain or gzipped.

A genome is written once to a file of one byte a nucleotide, and mapped: memory does not grow with
it, any window is at hand, and a run that resumes meets the same windows without reading on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from xopen import xopen

from barcodemae.errors import BarcodeMAEError
from barcodemae.outputs import whole_file, write_whole_text
from train.loop.draws import random_bits

_CHUNK = 1 << 20  # characters read at a time
_CODES = np.full(256, 5, dtype=np.uint8)  # 0 to 3 = A, C, G, T; 4 = another base; 5 = no base
for _code, _letters in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu", b"NnRrYyKkMmSsWwBbDdHhVv-.")):
    _CODES[list(_letters)] = _code
_COMPLEMENT = np.array([3, 2, 1, 0, 4], dtype=np.uint8)
_STRAND_SEED = 77


class Genome:
    """The stretches of known nucleotides of some FASTA files.

    Attributes:
        codes: (n,) uint8, mapped: 0 to 3 = A, C, G, T, 4 = unknown, records one after another.
        stretches: (s, 2) int64, where each stretch without a run of unknown bases begins and ends.
    """

    def __init__(self, files: Sequence[str | Path], cache_dir: Path, longest_gap: int = 16):
        """Write the cache of `files` unless it is there.

        Args:
            cache_dir: folder for it; a byte a nucleotide.
            longest_gap: unknown bases in a row that do not end a stretch.

        Raises:
            BarcodeMAEError: a file is missing, is not FASTA, or holds anything but nucleotides.
        """
        self.path = _cached(files, cache_dir, longest_gap)
        self._open()

    def _open(self) -> None:
        self.codes = np.memmap(self.path, dtype=np.uint8, mode="r")
        stretches = json.loads(self.path.with_suffix(".json").read_text())["stretches"]
        self.stretches = np.array(stretches, dtype=np.int64).reshape(-1, 2)

    def __getstate__(self) -> dict:  # for worker processes
        return {"path": self.path}

    def __setstate__(self, state: dict) -> None:
        self.path = state["path"]
        self._open()


def _cached(files: Sequence[str | Path], cache_dir: Path, longest_gap: int) -> Path:
    states = []
    for file in map(Path, files):
        if not file.is_file():
            raise BarcodeMAEError(f"{file}: there is no such file; give FASTA files, also .gz")
        state = file.stat()
        states.append([str(file.resolve()), state.st_size, state.st_mtime_ns])
    key = hashlib.sha256(json.dumps([states, longest_gap]).encode()).hexdigest()[:16]
    path = cache_dir / f"genome-{key}.codes"
    if not path.with_suffix(".json").is_file():
        cache_dir.mkdir(parents=True, exist_ok=True)
        stretches = []
        with whole_file(path, wait=True) as temporary, temporary.open("wb") as sink:
            written = 0
            for begins, codes in _records(files):
                codes.tofile(sink)
                for start, end in _known(codes, longest_gap):
                    goes_on = not begins and stretches and stretches[-1][1] == written + start
                    if goes_on:
                        stretches[-1][1] = written + end
                    else:
                        stretches.append([written + start, written + end])
                written += len(codes)
        write_whole_text(path.with_suffix(".json"), json.dumps({"stretches": stretches}))
    return path


def _records(files: Sequence[str | Path]) -> Iterator[tuple[bool, np.ndarray]]:
    """Codes of the records in parts of at most a chunk, and whether a record begins there."""
    for file in files:
        with xopen(file, "rb") as stream:
            name = None
            # Lines of a genome are short, or one for a chromosome: either is read in pieces.
            for line in iter(lambda stream=stream: stream.readline(_CHUNK), b""):
                if line.startswith(b">"):
                    name, begins = (line[1:].split() or [b"?"])[0].decode(errors="replace"), True
                elif name is None:
                    raise BarcodeMAEError(f"{file}: is not FASTA: it does not begin with >")
                else:
                    yield begins, _plain(line, file, name)
                    begins = False


def _plain(sequence: bytes, file, name: str) -> np.ndarray:
    letters = np.frombuffer(sequence.translate(None, b" \t\r\n"), dtype=np.uint8)
    codes = _CODES[letters]
    if (codes == 5).any():
        letter = chr(letters[np.flatnonzero(codes == 5)[0]])
        raise BarcodeMAEError(f"{file}: record {name}: {letter!r} is no nucleotide; take it out")
    return codes


def _known(codes: np.ndarray, longest_gap: int) -> Iterator[tuple[int, int]]:
    """Stretches (start, end) between runs of more than `longest_gap` unknown bases."""
    is_known = np.flatnonzero(codes < 4)
    if not len(is_known):
        return
    gaps = np.flatnonzero(np.diff(is_known) > longest_gap + 1)
    starts = np.concatenate([is_known[:1], is_known[gaps + 1]])
    ends = np.concatenate([is_known[gaps], is_known[-1:]]) + 1
    yield from zip(starts.tolist(), ends.tolist(), strict=True)


class Windows:
    """Windows of a genome by their number: every stretch is cut into windows side by side.

    What is left at the end of a stretch is left out of an epoch; another epoch begins elsewhere.
    """

    def __init__(self, genome: Genome, width: int):
        self.genome = genome
        self.width = width
        counts = (genome.stretches[:, 1] - genome.stretches[:, 0]) // width
        self._first = np.concatenate([[0], np.cumsum(counts)])  # by stretch
        if not self._first[-1]:
            raise BarcodeMAEError(
                f"no stretch of {width} known nucleotides: give a smaller --window or other files"
            )

    def __len__(self) -> int:
        return int(self._first[-1])

    def codes(self, number: int, shift: int) -> np.ndarray:
        """(width,) codes of a window, all windows moved by `shift` as far as their stretch goes."""
        stretch = int(np.searchsorted(self._first, number, side="right")) - 1
        start, end = self.genome.stretches[stretch]
        spare = (end - start) % self.width
        begin = start + (number - self._first[stretch]) * self.width + min(shift, spare)
        return np.array(self.genome.codes[begin : begin + self.width])


class WindowDraws:
    """Windows by the number of their draw, as `train.loop.barcodes.Draws` has barcodes.

    The order of an epoch is a permutation that is computed place by place, so it takes no memory.
    """

    def __init__(self, windows: Windows, rows: range, seed: int | None):
        """`rows` of the windows; `seed`: of the order, the shift and the strand; None: as they
        stand."""
        self.windows = windows
        self.rows = rows
        self.seed = seed

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def record(self) -> dict:
        """What the records of a run say of its genome."""
        return {"n_windows": len(self.rows), "window": self.windows.width}

    def __getitem__(self, draw: int) -> tuple[int, np.ndarray]:
        """The draw's number and its codes."""
        epoch, place = divmod(draw, len(self.rows))
        if self.seed is None:
            return draw, self.windows.codes(self.rows[place], 0)
        row = self.rows[permuted(place, len(self.rows), self.seed, epoch)]
        bits = random_bits(self.seed + _STRAND_SEED, np.array([draw, epoch]), 2)
        codes = self.windows.codes(row, int(bits[1, 1] % np.uint64(self.windows.width)))
        return draw, _COMPLEMENT[codes[::-1]] if bits[0, 0] & np.uint64(1) else codes


def permuted(place: int, count: int, seed: int, epoch: int) -> int:
    """Where the `place`-th of `count` goes in a shuffle: a Feistel network, walked into range."""
    half = max((count - 1).bit_length() + 1, 2) // 2
    mask = (1 << half) - 1
    value = place
    while True:
        left, right = value >> half, value & mask
        for number in range(4):
            key = random_bits(seed + 1000 * epoch + number, np.array([right]), 1)
            left, right = right, left ^ (int(key[0, 0]) & mask)
        value = (left << half) | right
        if value < count:
            return value
