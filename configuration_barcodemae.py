"""BarcodeMAE configuration: one flat config for every variant of the paper (arXiv 2502.18405).

Two switches separate the variants of the paper, and nothing else does:

=====================  ===================  =========================
variant                encoder_sees_mask    decoder_num_hidden_layers
=====================  ===================  =========================
BarcodeMAE             False                > 0
BarcodeMAE w/MASK      True                 > 0
BarcodeBERT            True                 0
=====================  ===================  =========================

BarcodeMAE+, which the authors published after the paper, adds a [CLS] token to any of them
(`cls_token`) and learns from genus labels too: pretraining with it is semi-supervised.
"""

import difflib
import shutil
import warnings
from pathlib import Path

import transformers
from transformers import PretrainedConfig

# This file is the first to be read, so the check stands here.
_VERSION = tuple(int(part) for part in transformers.__version__.split(".")[:2])
if _VERSION < (4, 57):
    raise ImportError(
        f"BarcodeMAE needs transformers 4.57 or newer, and this is {transformers.__version__}: "
        "pip install --upgrade 'transformers>=4.57'"
    )
if _VERSION >= (6, 0):
    warnings.warn(
        f"BarcodeMAE is tested with transformers 4.57 to 5, and this is {transformers.__version__}"
        ". If it fails: pip install 'transformers>=4.57,<6'",
        stacklevel=2,
    )

AUTO_MAP = {
    "AutoConfig": "configuration_barcodemae.BarcodeMAEConfig",
    "AutoModel": "modeling_barcodemae.BarcodeMAEModel",
    "AutoModelForMaskedLM": "modeling_barcodemae.BarcodeMAEForMaskedLM",
    "AutoModelForSequenceClassification": (
        "modeling_barcodemae.BarcodeMAEForSequenceClassification"
    ),
    "AutoTokenizer": [None, "tokenization_barcodemae.BarcodeMAETokenizer"],
}
HUB_FILES = ("configuration_barcodemae.py", "tokenization_barcodemae.py", "modeling_barcodemae.py")


POOLINGS = ("mean", "cls", "sites")


def _depth(encoder: int, decoder: int) -> dict:
    """Table 2 writes depths as layers-heads, the same number twice."""
    return {
        "num_hidden_layers": encoder,
        "num_attention_heads": encoder,
        "decoder_num_hidden_layers": decoder,
        "decoder_num_attention_heads": decoder,
    }


def _width(hidden_size: int, num_layers: int, num_heads: int) -> dict:
    return {
        "hidden_size": hidden_size,
        "num_hidden_layers": num_layers,
        "num_attention_heads": num_heads,
        "intermediate_size": 4 * hidden_size,
        "decoder_hidden_size": hidden_size,
        "decoder_num_hidden_layers": num_layers,
        "decoder_num_attention_heads": num_heads,
        "decoder_intermediate_size": 4 * hidden_size,
        # BERT's 0.02 is meant for 768 dimensions. Narrow stacks drawn so small pass on so little of
        # their input that training lingers at k-mer frequencies by position.
        "initializer_range": round(0.02 * (768 / hidden_size) ** 0.5, 3),
    }


def _sites(places: int, site_size: int, embedding_size: int) -> dict:
    return {
        "max_position_embeddings": places,
        "pooling": "sites",
        "site_size": site_size,
        "embedding_size": embedding_size,
        "nucleotide_init": True,
    }


_ENCODER_ONLY = {"encoder_sees_mask": True, "decoder_num_hidden_layers": 0}

PRESETS = {
    "barcodemae-k6": {},
    "barcodemae-k4": {"kmer_size": 4},
    **{
        f"barcodemae-k{k}-enc{encoder}-dec{decoder}": {"kmer_size": k, **_depth(encoder, decoder)}
        for k in (4, 6)
        for encoder, decoder in ((4, 2), (4, 4), (6, 2), (6, 4), (6, 6))
    },
    "barcodemae-with-mask": {"encoder_sees_mask": True},
    "barcodebert-4layer": {**_ENCODER_ONLY, "num_hidden_layers": 4, "num_attention_heads": 4},
    "barcodebert-6layer": dict(_ENCODER_ONLY),
    # Meng et al. 2024: the decoder has a third of the encoder's layers and all of its heads.
    "mae-lm": {"decoder_num_hidden_layers": 2},
    "barcodemae-plus": {"cls_token": True},
    "barcodemae-small": _width(256, 4, 4),
    "barcodemae-tiny": {"kmer_size": 4, **_width(128, 2, 4)},
    # Not the paper's: for barcodes on the grid of the 658 nucleotides of COI, to identify with.
    "barcodemae-coi-small": {
        **_width(128, 3, 4),
        "decoder_num_hidden_layers": 1,
        **_sites(places=658 // 6, site_size=12, embedding_size=384),
    },
    "barcodemae-coi": _sites(places=658 // 6, site_size=16, embedding_size=768),
}


def _is_int(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_real(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _at_least(minimum: int):
    return (lambda value: _is_int(value) and value >= minimum), f"an integer of at least {minimum}"


def _only_with_sites(minimum: int):
    is_allowed, allowed = _at_least(minimum)
    return (lambda value: value is None or is_allowed(value)), f"{allowed}, or None"


_FLAG = (lambda value: isinstance(value, bool)), "True or False"
_PROBABILITY = (lambda value: _is_real(value) and 0 <= value < 1), "a number in [0, 1)"

# field: (test, what is allowed)
_ALLOWED = {
    "kmer_size": ((lambda value: _is_int(value) and 1 <= value <= 8), "an integer from 1 to 8"),
    "hidden_size": _at_least(1),
    "num_hidden_layers": _at_least(1),
    "num_attention_heads": _at_least(1),
    "intermediate_size": _at_least(1),
    "decoder_hidden_size": _at_least(1),
    "decoder_num_hidden_layers": _at_least(0),
    "decoder_num_attention_heads": _at_least(1),
    "decoder_intermediate_size": _at_least(1),
    "encoder_sees_mask": _FLAG,
    "cls_token": _FLAG,
    "pooling": ((lambda value: value in POOLINGS), "one of " + ", ".join(map(repr, POOLINGS))),
    "site_size": _only_with_sites(1),
    "embedding_size": _only_with_sites(1),
    "nucleotide_init": _FLAG,
    "mask_ratio": ((lambda value: _is_real(value) and 0 < value < 1), "a number in (0, 1)"),
    "hidden_act": ((lambda value: isinstance(value, str)), "the name of an activation"),
    "hidden_dropout_prob": _PROBABILITY,
    "attention_probs_dropout_prob": _PROBABILITY,
    "max_position_embeddings": _at_least(1),
    "initializer_range": ((lambda value: _is_real(value) and value > 0), "a positive number"),
    "layer_norm_eps": ((lambda value: _is_real(value) and value > 0), "a positive number"),
}


class BarcodeMAEConfig(PretrainedConfig):
    """Architecture of a BarcodeMAE. The defaults are the paper's best model (k = 6, 6-6/6-6).

    Args:
        kmer_size: nucleotides in a token, 1 to 8; the vocabulary is the 4^k k-mers in ACGT order,
            then [UNK] (also the padding token), then [MASK].
        hidden_size, num_hidden_layers, num_attention_heads, intermediate_size: the encoder.
        decoder_hidden_size, decoder_num_hidden_layers, decoder_num_attention_heads,
            decoder_intermediate_size: the decoder; 0 layers: no decoder (BarcodeBERT).
        encoder_sees_mask: whether hidden k-mers reach the encoder as [MASK] (BarcodeMAE w/MASK,
            BarcodeBERT) or not at all (BarcodeMAE, Eq. 1).
        cls_token: whether a learned vector, [CLS], stands in front of the k-mers (BarcodeMAE+).
            It is not in the vocabulary, and k-mers keep their positions.
        pooling: what a barcode's embedding, `pooler_output`, is made of. "mean": the mean over its
            k-mers (the paper's). "cls": the state of [CLS]; needs `cls_token`. "sites": each
            k-mer's state in a few numbers, kept apart by place, through one linear map; for
            barcodes laid on a grid, where a place means the same sites in all of them.
        site_size, embedding_size: with pooling = "sites" the numbers that a k-mer's state becomes,
            and those of the embedding; None otherwise.
        nucleotide_init: whether k-mers begin with embeddings, and rows of the head, that are sums
            of one vector for each nucleotide at its place, so that k-mers of few differences begin
            alike. A start alone: training may change any of them.
        mask_ratio: share of a barcode's k-mers hidden in pretraining; read by the collator.
        max_position_embeddings: most tokens in one barcode.
        hidden_act, hidden_dropout_prob, attention_probs_dropout_prob, initializer_range,
            layer_norm_eps: as in BERT, for both stacks.

    Raises:
        ValueError: a field holds a value that is not allowed, or an argument looks like a
            misspelt field. The message names the field, the value and what is allowed.
    """

    model_type = "barcodemae"

    def __init__(
        self,
        kmer_size: int = 6,
        hidden_size: int = 768,
        num_hidden_layers: int = 6,
        num_attention_heads: int = 6,
        intermediate_size: int = 3072,
        decoder_hidden_size: int = 768,
        decoder_num_hidden_layers: int = 6,
        decoder_num_attention_heads: int = 6,
        decoder_intermediate_size: int = 3072,
        encoder_sees_mask: bool = False,
        cls_token: bool = False,
        pooling: str = "mean",
        site_size: int | None = None,
        embedding_size: int | None = None,
        nucleotide_init: bool = False,
        mask_ratio: float = 0.5,
        hidden_act: str = "gelu",
        hidden_dropout_prob: float = 0.1,
        attention_probs_dropout_prob: float = 0.1,
        max_position_embeddings: int = 512,
        initializer_range: float = 0.02,
        layer_norm_eps: float = 1e-12,
        **kwargs,
    ):
        self.kmer_size = kmer_size
        self.hidden_size = hidden_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.intermediate_size = intermediate_size
        self.decoder_hidden_size = decoder_hidden_size
        self.decoder_num_hidden_layers = decoder_num_hidden_layers
        self.decoder_num_attention_heads = decoder_num_attention_heads
        self.decoder_intermediate_size = decoder_intermediate_size
        self.encoder_sees_mask = encoder_sees_mask
        self.cls_token = cls_token
        self.pooling = pooling
        self.site_size = site_size
        self.embedding_size = embedding_size
        self.nucleotide_init = nucleotide_init
        self.mask_ratio = mask_ratio
        self.hidden_act = hidden_act
        self.hidden_dropout_prob = hidden_dropout_prob
        self.attention_probs_dropout_prob = attention_probs_dropout_prob
        self.max_position_embeddings = max_position_embeddings
        self.initializer_range = initializer_range
        self.layer_norm_eps = layer_norm_eps
        self.check_fields()
        _refuse_misspelt_fields(kwargs)
        # These follow from kmer_size; a saved config may still carry them.
        for derived in ("pad_token_id", "tie_word_embeddings"):
            kwargs.pop(derived, None)
        vocab_size = kwargs.pop("vocab_size", self.vocab_size)
        if vocab_size != self.vocab_size:
            raise ValueError(
                f"vocab_size = {vocab_size!r} does not fit kmer_size = {kmer_size}: the vocabulary "
                f"is 4^k + 2 = {self.vocab_size} tokens. Set kmer_size alone."
            )
        super().__init__(pad_token_id=self.num_kmers, tie_word_embeddings=False, **kwargs)

    @classmethod
    def preset(cls, name: str, **overrides) -> "BarcodeMAEConfig":
        """The ready-made variant `name` (a key of `PRESETS`), with `overrides` on top.

        Raises:
            ValueError: there is no such preset; the message lists those there are.
        """
        if name not in PRESETS:
            close = difflib.get_close_matches(name, PRESETS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"no preset {name!r}.{hint} Presets: {', '.join(PRESETS)}")
        return cls(**{**PRESETS[name], **overrides})

    @property
    def num_kmers(self) -> int:
        """4^k: the number of k-mers, of logits, and the id of [UNK]."""
        return 4**self.kmer_size

    @property
    def vocab_size(self) -> int:
        """4^k + 2: k-mers, [UNK], [MASK]."""
        return self.num_kmers + 2

    @property
    def pooled_size(self) -> int:
        """Numbers in a barcode's embedding."""
        return self.embedding_size if self.pooling == "sites" else self.hidden_size

    @property
    def unk_token_id(self) -> int:
        return self.num_kmers

    @property
    def mask_token_id(self) -> int:
        return self.num_kmers + 1

    def check_fields(self) -> None:
        """Raise ValueError if a field holds a value that is not allowed.

        The models call this too: a config can be changed after it was made.
        """
        for field, (is_allowed, allowed) in _ALLOWED.items():
            value = getattr(self, field)
            if not is_allowed(value):
                raise ValueError(f"{field} = {value!r} is not allowed: {field} is {allowed}")
        for prefix in ("", "decoder_"):
            size, heads = f"{prefix}hidden_size", f"{prefix}num_attention_heads"
            if getattr(self, size) % getattr(self, heads):
                raise ValueError(
                    f"{size} = {getattr(self, size)} is not allowed with {heads} = "
                    f"{getattr(self, heads)}: {size} is a multiple of {heads}"
                )
        if self.decoder_num_hidden_layers == 0 and not self.encoder_sees_mask:
            raise ValueError(
                "encoder_sees_mask = False is not allowed with decoder_num_hidden_layers = 0: "
                "without a decoder only an encoder that sees [MASK] can predict hidden k-mers. Set "
                "encoder_sees_mask = True (BarcodeBERT) or give the decoder layers."
            )
        self._check_pooling()

    def _check_pooling(self) -> None:
        if self.pooling == "cls" and not self.cls_token:
            raise ValueError(
                "pooling = 'cls' is not allowed with cls_token = False: there is no [CLS] whose "
                "state could be the embedding. Set cls_token = True, or another pooling."
            )
        for field in ("site_size", "embedding_size"):
            value = getattr(self, field)
            if self.pooling == "sites" and value is None:
                raise ValueError(f"pooling = 'sites' needs {field}: {field} is an integer")
            if self.pooling != "sites" and value is not None:
                raise ValueError(
                    f"{field} = {value!r} is not allowed with pooling = {self.pooling!r}: {field} "
                    "belongs to pooling = 'sites'"
                )

    def to_dict(self) -> dict:
        # Set on the way out, so that a checkpoint names the files beside it and every Auto class,
        # whichever class saved it and wherever it was loaded from.
        return {**super().to_dict(), "auto_map": dict(AUTO_MAP)}

    def save_pretrained(self, save_directory, push_to_hub: bool = False, **kwargs):
        """Save config.json with the Python files and the tokenizer that `auto_map` names.

        Every model calls this when it is saved, so any saved directory loads with
        `trust_remote_code=True` and nothing of ours installed.
        """
        target = Path(save_directory)
        if target.is_file():
            raise ValueError(f"{save_directory} is a file; give a directory to save in")
        target.mkdir(parents=True, exist_ok=True)
        for source in map(Path(__file__).with_name, HUB_FILES):
            if source.is_file() and source.resolve() != (target / source.name).resolve():
                shutil.copyfile(source, target / source.name)
        if not (target / "tokenizer.json").exists():
            _tokenizer_class()(kmer_size=self.kmer_size).save_pretrained(save_directory)
        super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)


def _refuse_misspelt_fields(kwargs: dict) -> None:
    standard = set(dir(PretrainedConfig)) | set(PretrainedConfig().__dict__)
    for name in kwargs:
        close = difflib.get_close_matches(name, _ALLOWED, n=1, cutoff=0.8)
        if close and name not in standard:
            raise ValueError(
                f"{name} = {kwargs[name]!r}: BarcodeMAEConfig has no field {name!r}. "
                f"Did you mean {close[0]!r}? Fields: {', '.join(_ALLOWED)}"
            )


def _tokenizer_class():
    try:
        from .tokenization_barcodemae import BarcodeMAETokenizer
    except ImportError:
        from tokenization_barcodemae import BarcodeMAETokenizer
    return BarcodeMAETokenizer


# transformers then writes `auto_map` when a config alone is saved, too.
BarcodeMAEConfig.register_for_auto_class("AutoConfig")

__all__ = ["AUTO_MAP", "HUB_FILES", "POOLINGS", "PRESETS", "BarcodeMAEConfig"]
