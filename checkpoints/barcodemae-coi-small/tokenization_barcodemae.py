"""BarcodeMAE tokenizer: nucleotides -> ids of non-overlapping k-mers (paper, section 2.2.2).

A model meant for use has a grid beside (`grid_barcodemae.py`): every barcode's nucleotides are put
at their places of one region first, so that each k-mer position means the same sites in all.

The tokenizer is Rust-backed, built in code from `kmer_size` alone. k-mers come first, in ACGT
order, so the id of a k-mer is its value in base 4 (A = 0, C = 1, G = 2, T = 3); then [UNK], then
[MASK].
"""

import json
import os
import re
import sys
from itertools import product

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.utils import cached_file, logging

try:  # next to the weights
    from .grid_barcodemae import MAX_NUCLEOTIDES, UNKNOWN_END, Grid, nucleotide_text
except ImportError:  # installed
    from grid_barcodemae import MAX_NUCLEOTIDES, UNKNOWN_END, Grid, nucleotide_text

logger = logging.get_logger(__name__)

# transformers puts modules of remote code into sys.modules alone. dill, by which `datasets.map`
# hashes a tokenizer, looks for them in their package, and else saves whole classes, for a minute.
for _name in (__name__, Grid.__module__):
    _package, _, _own_name = _name.rpartition(".")
    if _package in sys.modules:
        setattr(sys.modules[_package], _own_name, sys.modules[_name])


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
        ValueError: `kmer_size` is not allowed; the grid is missing, damaged, or of another length;
            the model in the same directory needs a grid or reads other k-mers.
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
        _check_model(kwargs.get("name_or_path"), kmer_size, self.grid)
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

    @classmethod
    def grid_of(cls, checkpoint: str | None) -> Grid | None:
        """The grid beside a checkpoint, in a directory or in the Hub's cache; else `usual_grid`.

        Raises:
            ValueError: there is one, and it is damaged.
        """
        name = cls.vocab_files_names["grid_file"]
        try:
            file = cached_file(checkpoint or "", name, local_files_only=True)
        except OSError:
            return cls.usual_grid()
        return Grid.load(file)

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
        laid = list(map(nucleotide_text, codes))
        for row, text in enumerate(plain):
            if "[MASK]" in text and placements.placed[row]:
                start, strand = int(placements.start[row]), int(placements.strand[row])
                laid[row] = self._mask(laid[row], text, start, strand)
        return laid

    def _mask(self, laid: str, text: str, start: int, strand: int) -> str:
        """Write [MASK] in place of the k-mers in which most of a "[MASK]" of the text lies."""
        k = self.kmer_size
        marked = "".join(text.split()).replace("[MASK]", "*" * k)[::strand]
        masked = {(start + match.start() + k // 2) // k for match in re.finditer(r"\*" * k, marked)}
        kmers = [laid[at : at + k] for at in range(0, len(laid), k)]
        return "".join("[MASK]" if at in masked else kmer for at, kmer in enumerate(kmers))

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


def _check_model(directory: str | None, kmer_size: int, grid: Grid | None) -> None:
    """Raise ValueError where the model in the same directory reads what this does not give."""
    config = os.path.join(directory or "", "config.json")
    if not directory or not os.path.isfile(config):
        return
    with open(config, encoding="utf-8") as file:
        model = json.load(file)
    if model.get("kmer_size", kmer_size) != kmer_size:
        raise ValueError(
            f"{directory}: the model reads {model['kmer_size']}-mers, its tokenizer cuts "
            f"{kmer_size}-mers. Put the tokenizer that belongs to the model beside it"
        )
    if model.get("pooling") == "sites" and grid is None:
        raise ValueError(
            f"{directory}: the model reads barcodes on a grid, and its tokenizer has none. Put the "
            "model's own tokenizer_config.json and grid.safetensors beside it"
        )


BarcodeMAETokenizer.register_for_auto_class("AutoTokenizer")

__all__ = ["BarcodeMAETokenizer"]
