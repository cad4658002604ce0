"""The grid: barcodes at their places of one region, on the right strand, by their fit to a profile.

On a grid each k-mer position means the same sites in all barcodes. NumPy alone: whoever lays
barcodes down needs neither torch nor transformers. The profile lies beside a model's weights as
`grid.safetensors`, and this file too, since the tokenizer imports it.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

MAX_NUCLEOTIDES = 660
# Unknown nucleotides, gaps and white space: at the end of a barcode, no part of it.
UNKNOWN_END = "Nn-. \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)

UNKNOWN = 4  # code of whatever is not A, C, G or T, and of what lies outside a barcode
_DIGITS = np.full(256, UNKNOWN, dtype=np.uint8)
for _digit, _spellings in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
    _DIGITS[list(_spellings)] = _digit
_LETTERS = np.frombuffer(b"ACGTN", dtype=np.uint8)
_COMPLEMENT = np.array([3, 2, 1, 0, UNKNOWN], dtype=np.uint8)

_ONE_HOT = np.eye(5, 4, dtype=np.float32)

_AT_ONCE = 256  # barcodes; more at a time fall out of the processor's cache
_STEP = 1 / 256  # log-odds are multiples of it, so that their sums are exact in any order
_QUICK = 64  # nucleotides of a barcode's middle that a quick look places
_CHUNK = 96  # nucleotides that the whole search places at once, every half chunk
_TRIED = 6  # places, by the best chunks, among which the fit of the whole barcode decides
_PARTS = 10  # of the grid
# The thresholds below were chosen on samples of public COI barcodes of all phyla and of other DNA
# (`docs/grid.md`): of 15,509 records that are no COI none is taken for it, and
# all whole barcodes, cuts and barcodes with up to 5 % substituted find their places.
_CLEAR = 0.2  # log-odds a nucleotide in every part of a barcode that needs no second look
_SURE = 70.0  # log-odds in sum, that it needs as well
_END = 40  # nucleotides of either end in which a shift would not show in a part
_LONGEST = 1024  # nucleotides; of longer records only a part is laid
_DRIFT = 6  # most nucleotides that insertions and losses may shift a barcode by
_BREAK = 14.0  # log-odds that a shift has to gain, besides one for each nucleotide
_FIT = 35.0  # log-odds of a barcode's best stretch, below which it fits nowhere


@dataclass
class Placements:
    """Where n barcodes lie on a grid.

    Attributes:
        start: (n,) int64, place of the first nucleotide of the barcode, turned where `strand` is
            -1; negative before the grid.
        strand: (n,) int8, 1 as given, -1 reverse complement.
        score: (n,) float32, mean log-odds of the nucleotides on the grid; 0 where there are none.
        overlap: (n,) int64, nucleotides (A, C, G, T) on the grid.
        placed: (n,) bool, False for what fits nowhere: its start is 0, its overlap 0.
        breaks: (n,) int64, insertions and losses that were found; 0 where mending was not asked.
        break_at: (n,) int64, place on the grid of the first of them, -1 without.
    """

    start: np.ndarray
    strand: np.ndarray
    score: np.ndarray
    overlap: np.ndarray
    placed: np.ndarray
    breaks: np.ndarray
    break_at: np.ndarray

    @classmethod
    def empty(cls, n: int) -> "Placements":
        """n barcodes that fit nowhere."""
        return cls(
            start=np.zeros(n, np.int64),
            strand=np.ones(n, np.int8),
            score=np.zeros(n, np.float32),
            overlap=np.zeros(n, np.int64),
            placed=np.zeros(n, bool),
            breaks=np.zeros(n, np.int64),
            break_at=np.full(n, -1, np.int64),
        )


@dataclass
class _Some:
    """Some of the barcodes that are being laid.

    Attributes:
        rows: (n,) their places among all.
        digits: (n, longest + 1) uint8, turned once that is known, unknown after the end.
        widths, starts, strands: (n,) length; start and strand, once they are known.
        fronts: (n,) nucleotides of the record in front of `digits`.
    """

    rows: np.ndarray
    digits: np.ndarray
    widths: np.ndarray
    starts: np.ndarray
    strands: np.ndarray
    fronts: np.ndarray

    @classmethod
    def read(cls, rows: np.ndarray, texts: list[str], widths: np.ndarray) -> "_Some":
        none = np.zeros(len(rows), dtype=np.int64)
        strands = np.ones(len(rows), dtype=np.int8)
        return cls(rows, nucleotide_codes(texts), widths, none, strands, none)

    def at(self, which: np.ndarray) -> "_Some":
        return _Some(*(getattr(self, field.name)[which] for field in fields(self)))

    @classmethod
    def joined(cls, parts: list["_Some"]) -> "_Some":
        width = max((part.digits.shape[1] for part in parts), default=1)
        for part in parts:
            missing = width - part.digits.shape[1]
            part.digits = np.pad(part.digits, ((0, 0), (0, missing)), constant_values=UNKNOWN)
        parts = parts or [cls.read(np.zeros(0, np.int64), [], np.zeros(0, np.int64))]
        columns = ([getattr(part, field.name) for part in parts] for field in fields(cls))
        return cls(*map(np.concatenate, columns))


class Grid:
    """Lays barcodes at their places of one region, by their fit to a profile, on either strand.

    Pieces of a barcode find their places without gaps, and the barcode that of its best stretch;
    insertions and losses are mended then. Most barcodes are placed by their middle alone, where
    every part of them fits well.

    Args:
        profile: (4, length) log-odds of A, C, G, T at each place of the region.

    Raises:
        ValueError: the profile has another shape, or holds something not finite.
    """

    def __init__(self, profile: np.ndarray):
        profile = np.asarray(profile, dtype=np.float32)
        if profile.ndim != 2 or len(profile) != 4 or profile.shape[1] < _CHUNK:
            raise ValueError(
                f"a grid's profile has shape (4, length), length at least {_CHUNK}; this one has "
                f"{profile.shape}"
            )
        if not np.isfinite(profile).all():
            raise ValueError("a grid's profile holds finite log-odds; this one has NaN or infinity")
        self.profile = np.round(profile / _STEP) * np.float32(_STEP)
        self.length = profile.shape[1]
        # By place and code: the fifth, unknown, counts as nothing.
        self._table = np.pad(self.profile.T, ((0, 0), (0, 1))).ravel()
        self._rows = np.arange(self.length) * 5
        self._best = self.profile.max(axis=0)
        # (4 x chunk, places): a chunk's one-hot letters times this are its log-odds at each place,
        # from those where its last nucleotide is on the grid to those where its first one is.
        padded = np.pad(self.profile, ((0, 0), (_CHUNK - 1, _CHUNK - 1)))
        windows = sliding_window_view(padded, _CHUNK, axis=1)  # (4, places, chunk)
        self._chunks = np.ascontiguousarray(windows.transpose(2, 0, 1).reshape(4 * _CHUNK, -1))
        self._ends = np.linspace(0, self.length, _PARTS + 1, dtype=int)
        parts = np.repeat(np.arange(_PARTS), np.diff(self._ends))
        self._parts = np.eye(_PARTS, dtype=np.float32)[parts]  # (length, parts)

    def place(self, barcodes: Sequence[str]) -> Placements:
        """Where each of n barcodes lies: see `lay`."""
        return self.lay(barcodes)[1]

    def lay(self, barcodes: Sequence[str], mend: bool = True) -> tuple[np.ndarray, Placements]:
        """Put n barcodes on the grid.

        White space is ignored; lower case and RNA are read; whatever is not A, C, G, T or U
        (N, I, an IUPAC code, a gap) is unknown. What lies before or after the region falls off.

        Args:
            barcodes: n texts.
            mend: find inserted and lost nucleotides (at most 6 in sum): what follows them is put
                at its place, a lost one is unknown, an inserted one dropped. And find stretches
                that are no part of the region (adapters, chimeras): they are unknown.

        Returns:
            codes (n, length) uint8, 0 to 3 = A, C, G, T, 4 = unknown; of what fits nowhere all
            4; and where the barcodes lie.
        """
        texts = [_plain(barcode) for barcode in barcodes]
        codes = np.full((len(texts), self.length), UNKNOWN, dtype=np.uint8)
        placements = Placements.empty(len(texts))
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        order = np.argsort(lengths, kind="stable")
        order = order[lengths[order] > 0]
        short = order[lengths[order] <= _LONGEST]
        waiting = []  # for a closer look
        for rows in _batches(short):
            some = _Some.read(rows, [texts[row] for row in rows], lengths[rows])
            laid, clear = self._find(some, mend)
            if mend:
                clear[clear] = self._sound_ends(some.at(clear))
            self._settle(codes, placements, some.at(clear), laid[clear])
            waiting.append(some.at(~clear))
            if sum(len(each.rows) for each in waiting) >= _AT_ONCE:
                self._look_closer(codes, placements, waiting, mend)
        for row in order[len(short) :]:
            waiting.append(self._find_long(row, texts[row]))
            if len(waiting) >= _AT_ONCE:
                self._look_closer(codes, placements, waiting, mend)
        self._look_closer(codes, placements, waiting, mend)
        return codes, placements

    def _find(self, some: "_Some", mend: bool) -> tuple[np.ndarray, np.ndarray]:
        """Turn barcodes and set their starts: by a quick look, or else by `_search`.

        Returns:
            codes (n, length); whether the quick look left no doubt.
        """
        some.starts, clear, laid = self._look(some.digits, some.widths)
        left = np.flatnonzero(~clear)
        if len(left):
            turned = _turned(some.digits[left], some.widths[left])
            starts, back, relaid = self._look(turned, some.widths[left])
            fits, turned_fits = self._fit(laid[left]), self._fit(relaid)
            clear[left] = back
            # Of what fits well in a stretch, only breaks are in doubt.
            enough = _SURE if mend else np.inf
            back |= (turned_fits > fits) & (turned_fits >= enough)
            rows = left[back]
            some.digits[rows], some.strands[rows] = turned[back], -1
            some.starts[rows], laid[rows] = starts[back], relaid[back]
            left = left[~back & (fits < enough)]
        if len(left):
            self._search(some, left)
        return laid, clear

    def _look(self, digits: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, ...]:
        """Starts by the barcodes' middles, whether every part fits there well, and the codes."""
        middles = np.maximum(widths - _QUICK, 0) // 2
        chunks = _taken(digits, middles[:, None] + np.arange(_QUICK))
        one_hot = _ONE_HOT.take(chunks, axis=0).reshape(len(digits), -1)
        inside = slice(_CHUNK - 1, _CHUNK + self.length - _QUICK)
        starts = (one_hot @ self._chunks[: 4 * _QUICK, inside]).argmax(axis=1) - middles
        laid = self._laid(digits, starts)
        fits = self._sites(laid) @ self._parts  # (n, parts)
        covered = np.minimum((starts + widths)[:, None], self._ends[1:])
        covered -= np.maximum(starts[:, None], self._ends[:-1])
        clear = (fits >= _CLEAR * np.maximum(covered, 0)).all(axis=1)
        return starts, clear & (fits.sum(axis=1) >= _SURE), laid

    def _sound_ends(self, some: "_Some") -> np.ndarray:
        """(n,) whether no shift of either end, nor its loss, could gain what a break costs.

        Within a barcode every part of which fits well, nothing longer can be shifted.
        """
        sound = np.ones(len(some.rows), dtype=bool)
        first = np.maximum(some.starts, 0)
        last = np.minimum(some.starts + some.widths, self.length) - 1
        steps = np.arange(_END)
        for places in (first[:, None] + steps, last[:, None] - steps):
            places = np.clip(places, 0, self.length - 1)
            index = places - some.starts[:, None]
            here = self._table.take(places * 5 + _taken(some.digits, index), mode="clip")
            # First by a bound, the best nucleotide at every place; then shift by shift.
            sound &= np.cumsum(here, axis=1).min(axis=1) > -_BREAK
            gain = np.cumsum(self._best.take(places) - here, axis=1).max(axis=1)
            near = np.flatnonzero(gain >= _BREAK + 1)
            digits, places, index, here = (x[near] for x in (some.digits, places, index, here))
            for drift in range(-_DRIFT, _DRIFT + 1):
                there = self._table.take(places * 5 + _taken(digits, index - drift), mode="clip")
                gain = np.cumsum(there - here, axis=1).max(axis=1, initial=0)
                sound[near] &= gain < _BREAK + abs(drift)
        return sound

    def _find_long(self, row: int, text: str) -> "_Some":
        """The part of a record of any length, turned, in which the region lies."""
        whole = _Some.read(np.array([row]), [text], np.array([len(text)]))
        self._search(whole, np.zeros(1, dtype=np.int64))
        start = int(whole.starts[0])
        front = max(-start - _DRIFT, 0)
        end = front + self.length + 2 * _DRIFT + max(start, 0)
        whole.digits = np.append(whole.digits[:, front:end], [[np.uint8(UNKNOWN)]], axis=1)
        whole.widths, whole.starts = (
            np.array([whole.digits.shape[1] - 1]),
            np.array([start + front]),
        )
        whole.fronts = np.array([front])
        return whole

    def _search(self, some: "_Some", rows: np.ndarray) -> None:
        """Turn barcodes and set their starts: those of the best stretch of all that were tried.

        Tried are the best places of the chunks, on both strands: insertions and losses part a
        barcode, and mask nothing.
        """
        for part in _batches(rows, 16):
            forward, widths = some.digits[part], some.widths[part]
            strands = (1, forward), (-1, _turned(forward, widths))
            scores, starts = zip(
                *(self._chunk_places(digits, widths) for _, digits in strands), strict=True
            )
            best = np.full(len(part), -np.inf, dtype=np.float32)
            both = np.concatenate(scores, axis=1)
            order = np.argsort(-both, axis=1, kind="stable")[:, :_TRIED]
            real = np.isfinite(np.take_along_axis(both, order, axis=1))
            places = np.take_along_axis(np.concatenate(starts, axis=1), order, axis=1)
            is_back = scores[0].shape[1] <= order
            columns = zip(places.T, (real & ~is_back).T, (real & is_back).T, strict=True)
            for tried, *which in columns:
                for (strand, digits), mine in zip(strands, which, strict=True):
                    fits = np.full(len(part), -np.inf, dtype=np.float32)
                    fits[mine] = self._fit(self._laid(digits[mine], tried[mine]))
                    better = fits > best
                    best[better] = fits[better]
                    some.starts[part[better]] = tried[better]
                    some.strands[part[better]] = strand
            back = some.strands[part] < 0
            some.digits[part[back]] = strands[1][1][back]

    def _chunk_places(
        self, digits: np.ndarray, widths: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log-odds (n, chunks) of each chunk at its best place, and the starts that follow.

        A barcode shorter than the longest beside it has fewer chunks: the others count -infinity,
        so that its place does not depend on what it is laid with.
        """
        fronts = np.arange(0, widths.max(), _CHUNK // 2)
        scores, places = [], []
        for some in _batches(fronts, max(_AT_ONCE // len(digits), 1)):
            columns = np.broadcast_to(
                (some[:, None] + np.arange(_CHUNK)).ravel(), (len(digits), len(some) * _CHUNK)
            )
            chunks = _taken(digits, columns.copy()).reshape(-1, _CHUNK)
            fits = _ONE_HOT.take(chunks, axis=0).reshape(len(chunks), -1) @ self._chunks
            places.append(fits.argmax(axis=1).reshape(len(digits), -1))
            scores.append(fits.max(axis=1).reshape(len(digits), -1))
        starts = np.concatenate(places, axis=1) - (_CHUNK - 1) - fronts
        return np.where(fronts < widths[:, None], np.concatenate(scores, axis=1), -np.inf), starts

    def _laid(self, digits: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """(n, length) codes of barcodes (n, width) from their starts."""
        laid = np.full((len(digits), self.length), UNKNOWN, dtype=np.uint8)
        lows = np.clip(starts, 0, self.length)
        highs = np.clip(starts + digits.shape[1], lows, self.length)
        places = zip(starts.tolist(), lows.tolist(), highs.tolist(), strict=True)
        for row, (start, low, high) in enumerate(places):
            laid[row, low:high] = digits[row, low - start : high - start]
        return laid

    def _sites(self, laid: np.ndarray) -> np.ndarray:
        """(..., length) float32, the log-odds of each code at its place; 0 of what is unknown."""
        return self._table.take(laid + self._rows, mode="clip")

    def _fit(self, laid: np.ndarray) -> np.ndarray:
        """(n,) log-odds of the stretch that fits best."""
        sums = np.cumsum(self._sites(laid), axis=1)
        lowest = np.minimum.accumulate(np.minimum(sums, 0), axis=1)
        return (sums - lowest).max(axis=1)

    def _look_closer(self, codes, placements, waiting: list["_Some"], mend: bool) -> None:
        """Lay barcodes that leave doubts, with breaks where those gain enough; empty the list."""
        joined = _Some.joined(waiting)
        waiting.clear()
        for part in _batches(np.arange(len(joined.rows))):
            some = joined.at(part)
            if mend:
                laid, *found = self._mended(some)
            else:
                laid, *found = self._laid(some.digits, some.starts), 0, -1
            placed = self._fit(laid) >= _FIT
            laid[~placed] = UNKNOWN
            self._settle(codes, placements, some, laid, placed, *found)

    def _settle(self, codes, placements, some, laid, placed=True, breaks=0, break_at=-1) -> None:
        """Write down where barcodes lie."""
        rows, overlap = some.rows, (laid < UNKNOWN).sum(axis=1)
        codes[rows] = laid
        placements.score[rows] = self._sites(laid).sum(axis=1) / np.maximum(overlap, 1)
        placements.start[rows] = np.where(placed, some.starts - some.fronts, 0)
        placements.strand[rows] = np.where(placed, some.strands, 1)
        placements.overlap[rows] = overlap
        placements.placed[rows] = placed
        placements.breaks[rows] = np.where(placed, breaks, 0)
        placements.break_at[rows] = np.where(placed, break_at, -1)

    def _mended(self, some: "_Some") -> tuple[np.ndarray, ...]:
        """Codes, breaks and the first break of barcodes that may have lost or gained some.

        The best path (Viterbi) over the places: at each one the barcode may be shifted anew,
        within `_DRIFT` either way, for `_BREAK` log-odds and one more a nucleotide; or, for
        `_BREAK`, what follows is no part of it. Sets the starts to those of first nucleotides.
        """
        drifts = np.arange(-_DRIFT, _DRIFT + 1)
        shifted = [self._laid(some.digits, some.starts + drift) for drift in drifts]
        by_drift = np.stack([*shifted, np.full_like(shifted[0], UNKNOWN)])  # last: no part
        sites = np.ascontiguousarray(self._sites(by_drift).transpose(2, 1, 0))  # place, n, state
        own = np.arange(len(by_drift), dtype=np.int8)
        costs = np.full((len(own), len(own)), _BREAK, dtype=np.float32)
        costs[:-1, :-1] += np.abs(drifts[:, None] - drifts)
        value, back = sites[0], np.empty(sites.shape, dtype=np.int8)
        for place in range(1, self.length):
            source = value.argmax(axis=1)
            jump = value.max(axis=1, keepdims=True) - costs[source]
            back[place] = np.where(value >= jump, own, source[:, None])
            value = np.maximum(value, jump) + sites[place]
        path = np.empty((len(some.rows), self.length), dtype=np.int64)
        path[:, -1] = value.argmax(axis=1)
        each = np.arange(len(some.rows))
        for place in range(self.length - 1, 0, -1):
            path[:, place - 1] = back[place, each, path[:, place]]
        laid = np.take_along_axis(by_drift, path[None], axis=0)[0]
        path = _filled(path, len(drifts), _DRIFT)
        steps = np.diff(path, axis=1)  # (n, length - 1)
        for row, place in zip(*np.nonzero(steps > 0), strict=True):  # lost: unknown
            laid[row, place + 1 : place + 1 + steps[row, place]] = UNKNOWN
        some.starts = some.starts + drifts[path[each, np.clip(some.starts, 0, self.length - 1)]]
        breaks = (steps != 0).sum(axis=1)
        return laid, breaks, np.where(breaks, (steps != 0).argmax(axis=1) + 1, -1)

    def __reduce__(self):
        return Grid, (self.profile,)

    def save(self, path: str | os.PathLike) -> None:
        """Write the profile as a safetensors file."""
        save_file({"profile": self.profile}, path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Grid":
        """Read a profile that `save` wrote.

        Raises:
            OSError: there is no such file.
            ValueError: it is damaged, or holds no profile.
        """
        try:
            tensors = load_file(path)
        except SafetensorError as error:
            raise ValueError(f"{path} is damaged, or no safetensors file: {error}") from error
        if "profile" not in tensors:
            raise ValueError(f"{path} holds no grid: it has {sorted(tensors)}, not 'profile'")
        try:
            return cls(tensors["profile"])
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _plain(text: str) -> str:
    return "".join(text.split())


def _filled(path: np.ndarray, gap: int, default: int) -> np.ndarray:
    """Rows in which runs of `gap` have the value before them, or else the one after them."""
    known = path != gap
    last = np.maximum.accumulate(np.where(known, np.arange(path.shape[1]), -1), axis=1)
    last = np.where(last < 0, known.argmax(axis=1)[:, None], last)
    filled = np.take_along_axis(path, last, axis=1)
    return np.where(filled == gap, default, filled)


def nucleotide_codes(texts: Sequence[str]) -> np.ndarray:
    """(n, longest + 1) uint8 codes of texts without white space, filled up with unknown."""
    width = max(map(len, texts), default=0) + 1
    text = "".join([text.ljust(width, "N") for text in texts])
    return _DIGITS[np.frombuffer(text.encode("ascii", "replace"), np.uint8)].reshape(-1, width)


def nucleotide_text(codes: np.ndarray) -> str:
    """The letters of codes (n,), N for what is unknown."""
    return _LETTERS[codes].tobytes().decode("ascii")


def _batches(rows: np.ndarray, size: int = _AT_ONCE) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _taken(digits: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """digits[row, columns[row]], unknown where a column lies outside; the last one is unknown."""
    width = digits.shape[1]
    # What is negative is huge without its sign: one minimum for both ends.
    columns = np.minimum(columns.view(np.uint64), width - 1).view(np.int64)
    columns += np.arange(len(digits))[:, None] * width
    return digits.take(columns, mode="clip")


def _turned(digits: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Reverse complements, each at the left."""
    return _COMPLEMENT[_taken(digits, widths[:, None] - 1 - np.arange(digits.shape[1]))]


__all__ = [
    "MAX_NUCLEOTIDES",
    "UNKNOWN",
    "UNKNOWN_END",
    "Grid",
    "Placements",
    "nucleotide_codes",
    "nucleotide_text",
]
