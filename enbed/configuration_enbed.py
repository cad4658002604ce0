"""ENBED configuration (arXiv 2311.02333): sizes, and how far attention looks.

From the paper: one token a nucleotide and a vocabulary of 384, inputs of up to 16,384, 8 + 4 layers
(Base) and 24 + 12 (Large, 1.2 billion parameters), an encoder that looks 64 nucleotides to either
side in its first three layers and 128 in the others, and a decoder that sees near tokens one by one
and far ones as summaries of blocks. The paper does not state widths, heads, positions or how a
block is summarised: these are this project's choice.
"""

import difflib
import shutil
from pathlib import Path

from transformers import PretrainedConfig, T5GemmaModuleConfig

AUTO_MAP = {
    "AutoConfig": "configuration_enbed.EnbedConfig",
    "AutoModel": "modeling_enbed.EnbedModel",
    "AutoModelForSeq2SeqLM": "modeling_enbed.EnbedForConditionalGeneration",
    "AutoModelForTokenClassification": "modeling_enbed.EnbedForTokenClassification",
    "AutoModelForSequenceClassification": "modeling_enbed.EnbedForSequenceClassification",
    "AutoTokenizer": [None, "tokenization_enbed.EnbedTokenizer"],
}
HUB_FILES = ("configuration_enbed.py", "tokenization_enbed.py", "modeling_enbed.py")

# T5's: <pad> is 0, </s> is 1 and also starts what is decoded.
_TOKENS = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 1}

CLASSIFIER_POOLINGS = ("mean", "sites")
_LONGEST_NGRAM = 8  # 4^n vectors


class EnbedConfig(PretrainedConfig):
    """Architecture of an ENBED. The defaults are Base.

    No T5GemmaConfig, though its blocks are T5Gemma's: sentence-transformers would take such a
    config's encoder for T5Gemma's own, which attends to everything.

    Args:
        hidden_size, num_layers, num_decoder_layers, num_heads, intermediate_size: both stacks.
        radii: how many nucleotides each encoder layer looks to either side; default: 64 in the
            first three layers, then 128, as in the paper.
        decoder_radius: how many earlier tokens a decoder layer sees one by one.
        summary_block: what lies further back is seen as the means of so many tokens; 0: not at all.
        learned_positions: how many places from the first on get a learned vector in the encoder,
            beside the rotary positions; for sequences that begin at a known place, as barcodes on
            the grid do. 0 (the default): none.
        ngram_sizes: of the n-grams of A, C, G and T around a nucleotide that add a learned vector
            to its embedding in the encoder, 4^n of them; none by default. The tokens stay single
            nucleotides. (Byte Latent Transformer, arXiv 2412.09871, does so with hashed bytes.)
        classifier_pooling: what `EnbedForSequenceClassification` reads: "mean", over nucleotides;
            "sites", beside it each of the first `learned_positions` states by weights of its own,
            for sequences that begin at a known place.
        aligned_output: whether the decoder's token at a place also reads the encoder's state at
            that place, by a learned matrix; for what is written as long as what is read, and
            mostly a copy of it, as the child of a viral strain.
        max_position_embeddings: most tokens in one sequence.
        initializer_range, dropout_rate: as in T5Gemma, whose blocks ENBED is made of.

    Raises:
        ValueError: fields do not go together, or an argument looks like a misspelt field.
    """

    model_type = "enbed"
    keys_to_ignore_at_inference = ["past_key_values"]
    sub_configs = {"encoder": T5GemmaModuleConfig, "decoder": T5GemmaModuleConfig}

    def __init__(
        self,
        hidden_size: int = 768,
        num_layers: int = 8,
        num_decoder_layers: int = 4,
        num_heads: int = 12,
        intermediate_size: int = 2048,
        radii: list[int] | None = None,
        decoder_radius: int = 128,
        summary_block: int = 16,
        learned_positions: int = 0,
        ngram_sizes: list[int] | None = None,
        classifier_pooling: str = "mean",
        aligned_output: bool = False,
        max_position_embeddings: int = 16384,
        initializer_range: float = 0.02,
        dropout_rate: float = 0.1,
        vocab_size: int = 384,
        **kwargs,
    ):
        fields = {
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "num_decoder_layers": num_decoder_layers,
            "num_heads": num_heads,
            "intermediate_size": intermediate_size,
            "radii": radii or [64 if layer < 3 else 128 for layer in range(num_layers)],
            "decoder_radius": decoder_radius,
            "summary_block": summary_block,
            "learned_positions": learned_positions,
            "ngram_sizes": ngram_sizes or [],
            "classifier_pooling": classifier_pooling,
            "aligned_output": aligned_output,
            "max_position_embeddings": max_position_embeddings,
            "initializer_range": initializer_range,
        }
        _check(fields)
        # What follows from the fields; a saved config may still carry it.
        for derived in ("encoder", "decoder", "is_encoder_decoder"):
            kwargs.pop(derived, None)
        for name in kwargs:
            close = difflib.get_close_matches(name, fields, n=1, cutoff=0.8)
            if close and name not in dir(PretrainedConfig):
                raise ValueError(f"EnbedConfig has no field {name!r}. Did you mean {close[0]!r}?")
        for field, value in fields.items():
            setattr(self, field, value)
        self.dropout_rate = dropout_rate
        self.vocab_size = vocab_size
        self.encoder = self._stack(num_layers, "sliding_attention", is_decoder=False)
        self.decoder = self._stack(num_decoder_layers, "full_attention", is_decoder=True)
        self.decoder.cross_attention_hidden_size = hidden_size
        super().__init__(
            **{"tie_word_embeddings": True, **kwargs, **_TOKENS, "decoder_start_token_id": 1},
            is_encoder_decoder=True,
        )

    # What the library asks of any family's config: how long a token is, and what an embedding is.
    kmer_size = 1
    pooling = "mean"
    cls_token = False

    @property
    def pooled_size(self) -> int:
        """Length of `pooler_output`."""
        return self.hidden_size

    def _stack(self, depth: int, attention: str, is_decoder: bool) -> T5GemmaModuleConfig:
        head_dim = self.hidden_size // self.num_heads
        stack = T5GemmaModuleConfig(
            vocab_size=self.vocab_size,
            hidden_size=self.hidden_size,
            intermediate_size=self.intermediate_size,
            num_hidden_layers=depth,
            num_attention_heads=self.num_heads,
            num_key_value_heads=self.num_heads,
            head_dim=head_dim,
            query_pre_attn_scalar=head_dim,
            layer_types=[attention] * depth,
            max_position_embeddings=self.max_position_embeddings,
            initializer_range=self.initializer_range,
            attn_logit_softcapping=None,
            final_logit_softcapping=None,
            is_decoder=is_decoder,
            **_TOKENS,
        )
        stack.dropout_rate = self.dropout_rate
        return stack

    def to_dict(self) -> dict:
        # The two stacks follow from the fields. The map names the files beside the checkpoint,
        # whichever class saved it and wherever it was loaded from.
        kept = {**super().to_dict(), "auto_map": dict(AUTO_MAP)}
        return {name: value for name, value in kept.items() if name not in ("encoder", "decoder")}

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
            from .tokenization_enbed import EnbedTokenizer

            EnbedTokenizer().save_pretrained(save_directory)
        super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)


def _check(fields: dict) -> None:
    """Refuse fields that do not go together; `barcodemae.presets` knows what each may hold."""
    width, heads, radii = fields["hidden_size"], fields["num_heads"], fields["radii"]
    if width % heads or (width // heads) % 2:
        raise ValueError(
            f"hidden_size = {width} is not allowed with num_heads = {heads}: rotary positions ask "
            "for heads of an even width"
        )
    if len(radii) != fields["num_layers"] or not all(
        isinstance(radius, int) and radius >= 1 for radius in radii
    ):
        raise ValueError(
            f"radii = {radii} is not allowed: radii are {fields['num_layers']} integers of at "
            "least 1, one for each encoder layer"
        )
    sizes, pooling = fields["ngram_sizes"], fields["classifier_pooling"]
    if len(set(sizes)) < len(sizes) or not all(
        isinstance(size, int) and 2 <= size <= _LONGEST_NGRAM for size in sizes
    ):
        raise ValueError(
            f"ngram_sizes = {sizes} is not allowed: they are different integers from 2 to "
            f"{_LONGEST_NGRAM}"
        )
    if pooling not in CLASSIFIER_POOLINGS:
        raise ValueError(
            f"classifier_pooling = {pooling!r} is not allowed: it is one of "
            + ", ".join(map(repr, CLASSIFIER_POOLINGS))
        )
    if not isinstance(fields["aligned_output"], bool):
        raise ValueError(
            f"aligned_output = {fields['aligned_output']!r} is not allowed: it is true or false"
        )
    if pooling == "sites" and not fields["learned_positions"]:
        raise ValueError(
            "classifier_pooling = 'sites' is not allowed without learned_positions: they say how "
            "many places have weights of their own"
        )


# transformers then writes `auto_map` when a config alone is saved, too.
EnbedConfig.register_for_auto_class("AutoConfig")

__all__ = ["AUTO_MAP", "HUB_FILES", "EnbedConfig"]
