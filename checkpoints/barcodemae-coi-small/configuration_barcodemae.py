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
import json
import shutil
import warnings
from inspect import signature
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
HUB_FILES = (
    "configuration_barcodemae.py",
    "grid_barcodemae.py",
    "tokenization_barcodemae.py",
    "layers_barcodemae.py",
    "modeling_barcodemae.py",
)


POOLINGS = ("mean", "cls", "sites")


class BarcodeMAEConfig(PretrainedConfig):
    """Architecture of a BarcodeMAE. The defaults are the paper's best model (k = 6, 6-6/6-6).

    Args:
        kmer_size: nucleotides in a token, 1 to 8; the vocabulary is the 4^k k-mers in ACGT order,
            then [UNK] (also the padding token), then [MASK].
        hidden_size, num_hidden_layers, num_attention_heads, intermediate_size: the encoder.
        decoder_hidden_size, decoder_num_hidden_layers, decoder_num_attention_heads,
            decoder_intermediate_size: the decoder; 0 layers: no decoder (BarcodeBERT).
        encoder_sees_mask: whether masked k-mers reach the encoder as [MASK] (BarcodeMAE w/MASK,
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
        mask_ratio: share of a barcode's k-mers masked in pretraining; read by the collator.
        max_position_embeddings: most tokens in one barcode.
        hidden_act, hidden_dropout_prob, attention_probs_dropout_prob, initializer_range,
            layer_norm_eps: as in BERT, for both stacks.

    Raises:
        ValueError: fields do not go together, or an argument looks like a misspelt field. The
            message names the field, the value and what is allowed.
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
    def projection_dim(self) -> int:
        """As `pooled_size`, by the name that sentence-transformers asks for."""
        return self.pooled_size

    @property
    def unk_token_id(self) -> int:
        return self.num_kmers

    @property
    def mask_token_id(self) -> int:
        return self.num_kmers + 1

    def check_fields(self) -> None:
        """Raise ValueError if fields do not go together.

        The models call this too: a config can be changed after it was made. (What each field
        alone may hold, `barcodemae.presets` knows, and whoever trains a model asks there.)
        """
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
                "without a decoder only an encoder that sees [MASK] can predict masked k-mers. Set "
                "encoder_sees_mask = True (BarcodeBERT) or give the decoder layers."
            )
        self._check_pooling()

    def _check_pooling(self) -> None:
        if self.pooling not in POOLINGS:
            raise ValueError(
                f"pooling = {self.pooling!r} is not allowed: pooling is one of "
                + ", ".join(map(repr, POOLINGS))
            )
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
        on_grid = self.pooling == "sites"
        if not _cuts(target, self.kmer_size, on_grid):
            # One that pools by site needs a grid, first of all that of the checkpoint it was loaded
            # from; without one at hand, no tokenizer is better.
            grid = _tokenizer_class().grid_of(self.name_or_path) if on_grid else None
            if grid is not None or not on_grid:
                tokenizer = _tokenizer_class()(kmer_size=self.kmer_size, grid=grid)
                tokenizer.save_pretrained(save_directory)
        super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)


def _cuts(directory: Path, kmer_size: int, on_grid: bool) -> bool:
    """Whether a tokenizer of `kmer_size` lies in `directory`, with a grid or without."""
    settings = directory / "tokenizer_config.json"
    if not (settings.is_file() and (directory / "tokenizer.json").is_file()):
        return False
    saved = json.loads(settings.read_text(encoding="utf-8"))
    return saved.get("kmer_size") == kmer_size and ("grid_length" in saved) == on_grid


def _refuse_misspelt_fields(kwargs: dict) -> None:
    fields = [name for name in signature(BarcodeMAEConfig.__init__).parameters if name != "self"]
    standard = set(dir(PretrainedConfig)) | set(PretrainedConfig().__dict__)
    for name in kwargs:
        close = difflib.get_close_matches(name, fields, n=1, cutoff=0.8)
        if close and name not in standard:
            raise ValueError(
                f"{name} = {kwargs[name]!r}: BarcodeMAEConfig has no field {name!r}. "
                f"Did you mean {close[0]!r}? Fields: {', '.join(fields[:-1])}"
            )


def _tokenizer_class():
    try:
        from .tokenization_barcodemae import BarcodeMAETokenizer
    except ImportError:
        from tokenization_barcodemae import BarcodeMAETokenizer
    return BarcodeMAETokenizer


# transformers then writes `auto_map` when a config alone is saved, too.
BarcodeMAEConfig.register_for_auto_class("AutoConfig")

__all__ = ["AUTO_MAP", "HUB_FILES", "POOLINGS", "BarcodeMAEConfig"]
