"""BarcodeMAE tokenizer: nucleotides -> ids of non-overlapping k-mers (paper, section 2.2.2).

A model meant for use has a grid beside: `Grid` puts every barcode's nucleotides at their places of
one region, on the right strand, so that each k-mer position means the same sites in all barcodes.

The tokenizer is Rust-backed, built in code from `kmer_size` alone. k-mers come first, in ACGT
order, so the id of a k-mer is its value in base 4 (A = 0, C = 1, G = 2, T = 3); then [UNK], then
[MASK].
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.utils import logging

logger = logging.get_logger(__name__)

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
_SPACE = re.compile(r"\s")

_AT_ONCE = 256  # barcodes; more at a time fall out of the processor's cache
_FEW = 64  # barcodes in a search, whose spectra are held
_STEP = 1 / 256  # log-odds are multiples of it, so that their sums are exact in any order
_CHUNK = 96  # nucleotides of a barcode's middle that a quick look places
_CLEAR = 0.2  # log-odds a nucleotide in every seventh of a barcode that needs no second look
_LONGEST = 1024  # nucleotides; longer records are searched piece by piece
_DRIFT = 6  # most nucleotides that insertions and losses may shift a barcode by
_BREAK = 14.0  # log-odds that a shift has to gain
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


class Grid:
    """Lays barcodes at their places of one region, by an ungapped fit of either strand.

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
        # (4 x chunk, places): a chunk's one-hot letters times this are its log-odds at each place.
        windows = sliding_window_view(self.profile, _CHUNK, axis=1)  # (4, places, chunk)
        self._chunks = np.ascontiguousarray(
            windows.transpose(2, 0, 1).reshape(4 * _CHUNK, -1), dtype=np.float32
        )

    def place(self, barcodes: Sequence[str]) -> Placements:
        """Where each of n barcodes lies: see `lay`."""
        return self.lay(barcodes)[1]

    def lay(self, barcodes: Sequence[str], mend: bool = True) -> tuple[np.ndarray, Placements]:
        """Put n barcodes on the grid.

        White space is ignored; lower case and RNA are read; whatever is not A, C, G, T or U
        (N, I, an IUPAC code, a gap) is unknown. What lies before or behind the region falls off.

        Args:
            barcodes: n texts.
            mend: find inserted and lost nucleotides (at most 6 in sum): what follows them is put
                at its place, a lost one is unknown, an inserted one dropped.

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
        for first in range(0, len(short), _AT_ONCE):
            rows = short[first : first + _AT_ONCE]
            digits, widths = nucleotide_codes([texts[row] for row in rows]), lengths[rows]
            starts, strands = self._find(digits, widths)
            back = strands < 0
            digits[back] = _turned(digits[back], widths[back])
            self._settle(codes, placements, rows, digits, starts, strands, mend)
        for row in order[len(short) :]:
            self._lay_long(codes, placements, row, texts[row], mend)
        return codes, placements

    def _lay_long(self, codes, placements, row: int, text: str, mend: bool) -> None:
        """The same for one record of any length, piece by piece, each half over the next."""
        digits = nucleotide_codes([text])[0, :-1]
        step = _LONGEST // 2
        offsets = np.arange(0, max(len(digits) - step, 1), step)
        ends = np.minimum(offsets + _LONGEST, len(digits))
        best = (-np.inf, 0, 1)
        for first in range(0, len(offsets), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            pieces = np.full((len(offsets[part]), _LONGEST + 1), UNKNOWN, dtype=np.uint8)
            for piece, offset, end in zip(pieces, offsets[part], ends[part], strict=True):
                piece[: end - offset] = digits[offset:end]
            starts, strands, fits = self._search(pieces, ends[part] - offsets[part])
            before = np.where(strands > 0, offsets[part], len(digits) - ends[part])
            at = int(fits.argmax())
            best = max(best, (float(fits[at]), int(starts[at] - before[at]), int(strands[at])))
        _, start, strand = best
        turned = digits if strand > 0 else _COMPLEMENT[digits[::-1]]
        front = max(-start - _DRIFT, 0)
        window = turned[front : front + self.length + 2 * _DRIFT + max(start, 0)]
        window = np.append(window, np.uint8(UNKNOWN))[None]
        found = np.array([start + front]), np.array([strand], dtype=np.int8)
        self._settle(codes, placements, np.array([row]), window, *found, mend)
        if placements.placed[row]:
            placements.start[row] -= front

    def _find(self, digits: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Starts and strands: by a quick look where that leaves no doubt, else by `_search`."""
        starts, clear = self._look(digits, widths)
        strands = np.ones(len(digits), dtype=np.int8)
        left = np.flatnonzero(~clear)
        if len(left):
            turned = _turned(digits[left], widths[left])
            starts[left], clear = self._look(turned, widths[left])
            strands[left] = -1
            left = left[~clear]
        if len(left):
            starts[left], strands[left], _ = self._search(digits[left], widths[left])
        return starts, strands

    def _look(self, digits: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Starts by the barcodes' middles, and whether every part of them fits there well."""
        middles = np.maximum(widths - _CHUNK, 0) // 2
        columns = np.minimum(middles[:, None] + np.arange(_CHUNK), digits.shape[1] - 1)
        chunks = np.take_along_axis(digits, columns, axis=1)
        one_hot = _ONE_HOT[chunks].reshape(len(digits), -1)
        starts = (one_hot @ self._chunks).argmax(axis=1) - middles
        laid = self._laid(digits, starts)
        return starts, self._clear(self._sites(laid), laid)

    def _clear(self, sites: np.ndarray, laid: np.ndarray) -> np.ndarray:
        """(n,) whether every seventh of the grid that a barcode covers fits well."""
        parts = np.linspace(0, self.length, 8, dtype=int)[:-1]
        known = np.add.reduceat(laid < UNKNOWN, parts, axis=1, dtype=np.int64)
        clear = np.add.reduceat(sites, parts, axis=1) >= _CLEAR * known
        return clear.all(axis=1) & (known.sum(axis=1) >= _CHUNK)

    def _search(self, digits: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, ...]:
        """Starts, strands and fits (log-odds of the best stretch) of the best places of all.

        Tried are the best places of the whole and of its halves, on both strands, so that one
        insertion or loss, which parts the halves, hides nothing.
        """
        found = [
            self._search_part(digits[part], widths[part])
            for part in (slice(i, i + _FEW) for i in range(0, len(digits), _FEW))
        ]
        return tuple(map(np.concatenate, zip(*found, strict=True)))

    def _search_part(self, digits: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, ...]:
        width = digits.shape[1]
        size = _fast_length(self.length + width)
        profile = np.fft.rfft(self.profile, size)
        one_hot = np.ascontiguousarray(_ONE_HOT[digits].transpose(0, 2, 1))  # (n, 4, width)
        whole = np.fft.rfft(one_hot, size)
        one_hot[:, :, :] *= (np.arange(width) < (widths // 2)[:, None])[:, None]
        front = np.fft.rfft(one_hot, size)
        parts = np.stack([whole, front, whole - front])  # (3, n, 4, frequencies)
        starts, strands = np.zeros(len(digits), np.int64), np.ones(len(digits), np.int8)
        fits = np.full(len(digits), -np.inf, dtype=np.float32)
        for strand, letters, spectra in (
            (1, digits, (profile * parts.conj()).sum(axis=2)),
            (-1, _turned(digits, widths), (profile[::-1] * parts).sum(axis=2)),
        ):
            at = np.fft.irfft(spectra, size).argmax(axis=-1)  # (3, n)
            # Forward: start modulo size. Turned: place of the last nucleotide.
            tried = np.where(at < self.length, at, at - size) if strand > 0 else at - widths + 1
            for some in tried:
                fit = self._fit(self._laid(letters, some))
                better = fit > fits
                starts[better], strands[better], fits[better] = some[better], strand, fit[better]
        return starts, strands, fits

    def _laid(self, digits: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """(n, length) codes of barcodes whose last column is unknown, from their starts."""
        columns = np.arange(self.length) - starts[:, None]
        # What is negative is huge without its sign: one minimum for both ends.
        columns = np.minimum(columns.view(np.uint64), digits.shape[1] - 1).view(np.int64)
        return np.take_along_axis(digits, columns, axis=1)

    def _sites(self, laid: np.ndarray) -> np.ndarray:
        """(..., length) float32, the log-odds of each code at its place; 0 of what is unknown."""
        return self._table.take(laid + self._rows)

    def _fit(self, laid: np.ndarray) -> np.ndarray:
        """(n,) log-odds of the stretch that fits best."""
        sums = np.cumsum(self._sites(laid), axis=1)
        lowest = np.minimum.accumulate(np.minimum(sums, 0), axis=1)
        return (sums - lowest).max(axis=1)

    def _settle(self, codes, placements, rows, digits, starts, strands, mend: bool) -> None:
        """Write down where barcodes lie that are turned already."""
        laid = self._laid(digits, starts)
        breaks, break_at = np.zeros_like(starts), np.full_like(starts, -1)
        if mend:
            doubtful = np.flatnonzero(self._doubtful(digits, laid, starts))
            if len(doubtful):
                laid[doubtful], *found = self._mended(digits[doubtful], starts[doubtful])
                starts[doubtful], breaks[doubtful], break_at[doubtful] = found
        placed = self._fit(laid) >= _FIT
        laid[~placed] = UNKNOWN
        overlap = (laid < UNKNOWN).sum(axis=1)
        codes[rows] = laid
        placements.score[rows] = self._sites(laid).sum(axis=1) / np.maximum(overlap, 1)
        placements.start[rows] = np.where(placed, starts, 0)
        placements.strand[rows] = np.where(placed, strands, 1)
        placements.overlap[rows] = overlap
        placements.placed[rows] = placed
        placements.breaks[rows] = np.where(placed, breaks, 0)
        placements.break_at[rows] = np.where(placed, break_at, -1)

    def _doubtful(self, digits: np.ndarray, laid: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """(n,) whether a shift of one end by one would gain as much as a break costs."""
        here = self._sites(laid)
        doubtful = ~self._clear(here, laid)
        for drift in (-1, 1):
            gain = np.cumsum(self._sites(self._laid(digits, starts + drift)) - here, axis=1)
            front = gain.max(axis=1)
            back = gain[:, -1] - np.minimum(gain.min(axis=1), 0)
            doubtful |= np.maximum(front, back) >= _BREAK
        return doubtful

    def _mended(self, digits: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, ...]:
        """Codes, starts, breaks and the first break of barcodes that may have lost or gained some.

        The best path (Viterbi) over the places: at each one the barcode may be shifted anew, by
        `_DRIFT` either way, for `_BREAK` log-odds.
        """
        drifts = np.arange(-_DRIFT, _DRIFT + 1)
        by_drift = np.stack([self._laid(digits, starts + drift) for drift in drifts])
        sites = np.ascontiguousarray(self._sites(by_drift).transpose(2, 1, 0))  # place, n, drift
        own = np.arange(len(drifts), dtype=np.int8)
        value, back = sites[0], np.empty(sites.shape, dtype=np.int8)
        for place in range(1, self.length):
            jump = value.max(axis=1, keepdims=True) - np.float32(_BREAK)
            source = value.argmax(axis=1)[:, None].astype(np.int8)
            back[place] = np.where(value >= jump, own, source)
            value = np.maximum(value, jump) + sites[place]
        path = np.empty((self.length, len(digits)), dtype=np.int64)
        path[-1] = value.argmax(axis=1)
        each = np.arange(len(digits))
        for place in range(self.length - 1, 0, -1):
            path[place - 1] = back[place, each, path[place]]
        laid = np.take_along_axis(by_drift, path.T[None], axis=0)[0]
        steps = np.diff(path.T, axis=1)  # (n, length - 1)
        for row, place in zip(*np.nonzero(steps > 0), strict=True):  # lost: unknown
            laid[row, place + 1 : place + 1 + steps[row, place]] = UNKNOWN
        front = path[np.clip(starts, 0, self.length - 1), each]
        breaks = (steps != 0).sum(axis=1)
        first = np.where(breaks, (steps != 0).argmax(axis=1) + 1, -1)
        return laid, starts + drifts[front], breaks, first

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
    return _SPACE.sub("", text) if _SPACE.search(text) else text


def nucleotide_codes(texts: Sequence[str]) -> np.ndarray:
    """(n, longest + 1) uint8 codes of texts without white space, filled up with unknown."""
    width = max(map(len, texts)) + 1
    text = "".join([text.ljust(width, "N") for text in texts])
    return _DIGITS[np.frombuffer(text.encode("ascii", "replace"), np.uint8)].reshape(-1, width)


def _turned(digits: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Reverse complements, each at the left."""
    columns = widths[:, None] - 1 - np.arange(digits.shape[1])
    columns = np.minimum(columns.view(np.uint64), digits.shape[1] - 1).view(np.int64)
    return _COMPLEMENT[np.take_along_axis(digits, columns, axis=1)]


def _fast_length(least: int) -> int:
    """The next length without prime factors above 5."""
    while True:
        rest = least
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return least
        least += 1


def _build(kmer_size: int) -> Tokenizer:
    kmers = ["".join(kmer) for kmer in product("ACGT", repeat=kmer_size)]
    vocabulary = {token: index for index, token in enumerate([*kmers, "[UNK]", "[MASK]"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    # There is no upper-casing normalizer; the letters that no k-mer holds need none.
    rewrites = {r"\s+": "", "a": "A", "c": "C", "g": "G", "[tuU]": "T"}
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex(old), new) for old, new in rewrites.items()]
    )
    # Keeping the matches and removing what lies between them drops the incomplete last piece.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(
        Regex(f".{{{kmer_size}}}"), behavior="removed", invert=True
    )
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


class BarcodeMAETokenizer(PreTrainedTokenizerFast):
    """k-mer tokenizer.

    White space is ignored, lower case and RNA are accepted. A k-mer that holds anything but ACGT
    (N, an IUPAC code, a gap) is [UNK]; its neighbours are not touched. N and gaps at the end are
    no part of a barcode and are dropped. So is an incomplete last k-mer: a barcode shorter than k
    has no tokens. "[MASK]" in the text is one masked k-mer. [UNK] pads; `attention_mask` tells
    padding from a ambiguous k-mer.

    With a grid, barcodes are laid on it first (`Grid.lay`): all have as many tokens as the grid
    has k-mers, [UNK] where a barcode has nothing. One that fits nowhere is [UNK] throughout, and
    a warning says so.

    Args:
        kmer_size: nucleotides in a token, 1 to 8.
        model_max_length: most tokens kept with `truncation=True`; default: 660 nucleotides.
        grid: lays barcodes down; None: the paper's tokenizer, which cuts from the first nucleotide.
        grid_file: path of a grid that `Grid.save` wrote, in place of `grid`.
        grid_length: places that the grid has to have; None: any number, or no grid.

    Raises:
        ValueError: `kmer_size` is not allowed; the grid is missing, damaged, or of another length.
    """

    model_input_names = ["input_ids", "attention_mask"]
    slow_tokenizer_class = None
    # What a model that pools by site is saved with, unless a tokenizer lies there; the package
    # `barcodemae` sets it to the grid of COI.
    usual_grid = staticmethod(lambda: None)
    vocab_files_names = {"tokenizer_file": "tokenizer.json", "grid_file": "grid.safetensors"}

    def __init__(
        self,
        kmer_size: int = 6,
        model_max_length: int | None = None,
        grid: Grid | None = None,
        grid_file: str | os.PathLike | None = None,
        grid_length: int | None = None,
        **kwargs,
    ):
        if not isinstance(kmer_size, int) or not 1 <= kmer_size <= 8:
            raise ValueError(
                f"kmer_size = {kmer_size!r} is not allowed: kmer_size is an integer from 1 to 8"
            )
        self.grid = _checked_grid(grid, grid_file, grid_length, kwargs.get("name_or_path"))
        for fixed in ("tokenizer_object", "tokenizer_file", "vocab_file"):
            kwargs.pop(fixed, None)
        kwargs |= {"unk_token": "[UNK]", "pad_token": "[UNK]", "mask_token": "[MASK]"}
        kwargs.setdefault("clean_up_tokenization_spaces", False)
        if self.grid is not None:
            kwargs["grid_length"] = self.grid.length  # saved with the tokenizer
        longest = MAX_NUCLEOTIDES if self.grid is None else self.grid.length
        super().__init__(
            tokenizer_object=_build(kmer_size),
            kmer_size=kmer_size,
            model_max_length=model_max_length or longest // kmer_size,
            **kwargs,
        )
        self.kmer_size = kmer_size

    def _encode_plus(self, text, text_pair=None, *args, **kwargs):
        if not hasattr(PreTrainedTokenizerFast, "_batch_encode_plus"):  # since transformers 5
            text = self._prepared(text, text_pair, kwargs.get("is_split_into_words"))
        return super()._encode_plus(text, text_pair, *args, **kwargs)

    def _batch_encode_plus(self, batch_text_or_text_pairs, *args, **kwargs):
        split = kwargs.get("is_split_into_words")
        batch = self._prepared(batch_text_or_text_pairs, None, split)
        return super()._batch_encode_plus(batch, *args, **kwargs)

    def _prepared(self, text, text_pair, is_split_into_words: bool | None):
        """The same text, or list of texts: laid on the grid, or without N and gaps at the end."""
        texts = [text] if isinstance(text, str) else list(text)
        plain = all(isinstance(each, str) for each in texts) and not is_split_into_words
        if self.grid is not None:
            if not plain or text_pair is not None:
                raise ValueError(
                    "a grid lays down whole barcodes, each one text: no pairs, no barcodes in "
                    "pieces (is_split_into_words)"
                )
            texts = self._lay(texts)
        elif plain:
            texts = [each.rstrip(UNKNOWN_END) for each in texts]
        return texts[0] if isinstance(text, str) else texts

    def _lay(self, texts: list[str]) -> list[str]:
        k = self.kmer_size
        plain = [text.replace("[UNK]", "N" * k) for text in texts]
        codes, placements = self.grid.lay([text.replace("[MASK]", "N" * k) for text in plain])
        if not placements.placed.all():
            rows = np.flatnonzero(~placements.placed)
            logger.warning(
                f"{len(rows)} of {len(texts)} barcodes fit nowhere on the grid (too short, or not "
                f"of its region), the first of them number {rows[0] + 1}: all their tokens are "
                "[UNK], and their embeddings say nothing"
            )
        letters = _LETTERS[codes].tobytes().decode("ascii")
        laid = [letters[at : at + codes.shape[1]] for at in range(0, codes.size, codes.shape[1])]
        for row, text in enumerate(plain):
            if "[MASK]" in text and placements.placed[row]:
                start, strand = int(placements.start[row]), int(placements.strand[row])
                laid[row] = self._hide(laid[row], text, start, strand)
        return laid

    def _hide(self, laid: str, text: str, start: int, strand: int) -> str:
        """Write [MASK] in place of the k-mers in which most of a "[MASK]" of the text lies."""
        k = self.kmer_size
        marked = _plain(text).replace("[MASK]", "*" * k)[::strand]
        hidden = {(start + match.start() + k // 2) // k for match in re.finditer(r"\*" * k, marked)}
        kmers = [laid[at : at + k] for at in range(0, len(laid), k)]
        return "".join("[MASK]" if at in hidden else kmer for at, kmer in enumerate(kmers))

    def _save_pretrained(
        self, save_directory, file_names, legacy_format=None, filename_prefix=None
    ) -> tuple[str, ...]:
        """Beside transformers' own files, the grid."""
        names = super()._save_pretrained(save_directory, file_names, legacy_format, filename_prefix)
        if self.grid is None:
            return names
        prefix = f"{filename_prefix}-" if filename_prefix else ""
        path = os.path.join(save_directory, prefix + self.vocab_files_names["grid_file"])
        self.grid.save(path)
        return (*names, path)


def _checked_grid(
    grid: Grid | None, file: str | os.PathLike | None, length: int | None, model: str | None
) -> Grid | None:
    if grid is None and file is not None:
        grid = Grid.load(file)
    if length is not None and (grid is None or grid.length != length):
        found = "there is none" if grid is None else f"this one has {grid.length}"
        raise ValueError(
            f"{model or 'this tokenizer'} needs a grid of {length} places, and {found}: put the "
            "model's own grid.safetensors beside its tokenizer_config.json"
        )
    return grid


BarcodeMAETokenizer.register_for_auto_class("AutoTokenizer")

__all__ = ["BarcodeMAETokenizer", "Grid", "Placements"]
