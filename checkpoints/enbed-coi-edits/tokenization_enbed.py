"""ENBED's tokens are ByT5's: a nucleotide is its byte + 3, after <pad>, </s> and <unk>.

The 125 sentinels <extra_id_0> ... follow the 256 bytes: 384 tokens in all.
"""

import sys

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, processors
from transformers import PreTrainedTokenizerFast

OFFSET = 3
FIRST_SENTINEL = OFFSET + 256
END = 1  # </s>
# Ids of codes 0 to 3 = A, C, G, T, and 4 = unknown.
ID_OF_CODE = np.array([ord(letter) + OFFSET for letter in "ACGTN"])
NUM_SENTINELS = 125
MAX_NUCLEOTIDES = 16384

_SENTINELS = [f"<extra_id_{i}>" for i in range(NUM_SENTINELS)]
_VOCABULARY = ["<pad>", "</s>", "<unk>", *map(chr, range(256)), *_SENTINELS]
# Lower case and RNA are read as DNA. (Capitals are replaced letter by letter: an upper-casing
# normalizer would rewrite the sentinels, too.)
_REWRITES = dict(zip("acgtnrykmswbdhvuU", "ACGTNRYKMSWBDHVTT", strict=True))
_BYTES = np.arange(256, dtype=np.int64) + OFFSET
_BYTES[[ord(letter) for letter in _REWRITES]] = [ord(x) + OFFSET for x in _REWRITES.values()]

# As in tokenization_barcodemae.py: so that dill, and with it `datasets.map`, finds the class.
_package, _, _name = __name__.rpartition(".")
if _package in sys.modules:
    setattr(sys.modules[_package], _name, sys.modules[__name__])


def _build() -> Tokenizer:
    vocabulary = {token: index for index, token in enumerate(_VOCABULARY)}
    # Byte-pair encoding without a merge cuts a text into its characters.
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    rewrites = [normalizers.Replace(old, new) for old, new in _REWRITES.items()]
    tokenizer.normalizer = normalizers.Sequence([normalizers.Replace(Regex(r"\s+"), ""), *rewrites])
    tokenizer.post_processor = processors.TemplateProcessing(
        "$A </s>", "$A </s> $B </s>", [("</s>", 1)]
    )
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


class EnbedTokenizer(PreTrainedTokenizerFast):
    """Nucleotides -> ids, closed by </s>.

    White space is ignored, lower case and RNA are accepted; N and IUPAC codes keep their letter.
    Any other byte keeps its own token as well: what is no DNA is refused by whoever reads a file.
    """

    model_input_names = ["input_ids", "attention_mask"]
    slow_tokenizer_class = None

    def __init__(self, model_max_length: int = MAX_NUCLEOTIDES, **kwargs):
        for fixed in ("tokenizer_object", "tokenizer_file", "vocab_file"):
            kwargs.pop(fixed, None)
        for special in ("extra_special_tokens", "additional_special_tokens"):
            kwargs.pop(special, None)
        kwargs |= {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
        kwargs.setdefault("clean_up_tokenization_spaces", False)
        super().__init__(tokenizer_object=_build(), model_max_length=model_max_length, **kwargs)
        self.add_special_tokens({"additional_special_tokens": _SENTINELS})

    def batch(self, sequences: list[str], multiple: int = 1) -> dict[str, np.ndarray]:
        """The same ids (n, width), padded, hundreds of times as fast: for training and files.

        Sequences hold Latin-1 letters and no sentinels; width is a multiple of `multiple`.
        """
        sequences = ["".join(sequence.split()) for sequence in sequences]
        lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
        width = -(-(int(lengths.max()) + 1) // multiple) * multiple
        places = np.arange(width)
        letters = np.frombuffer("".join(sequences).encode("latin-1"), dtype=np.uint8)
        ids = np.zeros((len(sequences), width), dtype=np.int64)
        ids[places < lengths[:, None]] = _BYTES[letters]
        ids[np.arange(len(ids)), lengths] = END
        return {
            "input_ids": ids,
            "attention_mask": (places <= lengths[:, None]).astype(np.int64),
        }


EnbedTokenizer.register_for_auto_class("AutoTokenizer")

__all__ = [
    "END",
    "FIRST_SENTINEL",
    "ID_OF_CODE",
    "MAX_NUCLEOTIDES",
    "NUM_SENTINELS",
    "OFFSET",
    "EnbedTokenizer",
]
