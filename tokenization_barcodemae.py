"""BarcodeMAE tokenizer: nucleotides -> ids of non-overlapping k-mers (paper, section 2.2.2).

A Rust-backed tokenizer built in code from `kmer_size` alone. k-mers come first, in ACGT order, so
the id of a k-mer is its value in base 4 (A = 0, C = 1, G = 2, T = 3); then [UNK], then [MASK].
"""

from itertools import product

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

MAX_NUCLEOTIDES = 660


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
    (N, an IUPAC code, a gap) is [UNK]; its neighbours are not touched. An incomplete last k-mer
    is dropped, so a barcode shorter than k has no tokens. "[MASK]" in the text is one hidden
    k-mer. [UNK] pads; `attention_mask` tells padding from a spoilt k-mer.

    Args:
        kmer_size: nucleotides in a token, 1 to 8.
        model_max_length: most tokens kept with `truncation=True`; default: 660 nucleotides.
    """

    model_input_names = ["input_ids", "attention_mask"]
    slow_tokenizer_class = None

    def __init__(self, kmer_size: int = 6, model_max_length: int | None = None, **kwargs):
        if not isinstance(kmer_size, int) or not 1 <= kmer_size <= 8:
            raise ValueError(
                f"kmer_size = {kmer_size!r} is not allowed: kmer_size is an integer from 1 to 8"
            )
        for fixed in ("tokenizer_object", "tokenizer_file", "vocab_file"):
            kwargs.pop(fixed, None)
        kwargs |= {"unk_token": "[UNK]", "pad_token": "[UNK]", "mask_token": "[MASK]"}
        kwargs.setdefault("clean_up_tokenization_spaces", False)
        super().__init__(
            tokenizer_object=_build(kmer_size),
            kmer_size=kmer_size,
            model_max_length=model_max_length or MAX_NUCLEOTIDES // kmer_size,
            **kwargs,
        )
        self.kmer_size = kmer_size


BarcodeMAETokenizer.register_for_auto_class("AutoTokenizer")

__all__ = ["BarcodeMAETokenizer"]
