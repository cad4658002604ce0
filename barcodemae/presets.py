"""Ready-made variants of the models, and what a field of a config may hold."""

from __future__ import annotations

import difflib
import math

from transformers import PretrainedConfig
from transformers.activations import ACT2FN

from barcodemae.families import FAMILIES
from configuration_barcodemae import POOLINGS


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
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }


_ENCODER_ONLY = {"encoder_sees_mask": True, "decoder_num_hidden_layers": 0}

_BARCODEMAE = {
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
        **_width(128, 1, 2),
        "intermediate_size": 256,
        "initializer_range": 0.09,
        **_sites(places=658 // 6, site_size=24, embedding_size=384),
    },
    "barcodemae-coi": _sites(places=658 // 6, site_size=24, embedding_size=768),
}

# Depths and radii of Base and Large are the paper's; Large is as wide as its 1.2 billion asks for.
_ENBED = {
    "enbed-base": {},
    "enbed-large": {
        "hidden_size": 1536,
        "num_layers": 24,
        "num_decoder_layers": 12,
        "num_heads": 16,
        "intermediate_size": 4480,
    },
    # For a CPU.
    "enbed-small": {
        "hidden_size": 256,
        "num_layers": 6,
        "num_decoder_layers": 3,
        "num_heads": 4,
        "intermediate_size": 704,
        "initializer_range": 0.035,
    },
    "enbed-tiny": {
        "hidden_size": 64,
        "num_layers": 3,
        "num_decoder_layers": 2,
        "num_heads": 4,
        "intermediate_size": 192,
        "radii": [16, 32, 64],
        "decoder_radius": 64,
        "initializer_range": 0.05,
    },
}

# Family -> name -> fields of its config that differ from the defaults.
PRESETS = {"barcodemae": _BARCODEMAE, "enbed": _ENBED}


def _is_int(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_real(value) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _is_list_of(kind: type, value) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _between(least: int, most: int):
    allowed = f"an integer from {least} to {most:,}"
    return (lambda value: _is_int(value) and least <= value <= most), allowed


def _only_with_sites(least: int, most: int):
    is_allowed, allowed = _between(least, most)
    return (lambda value: value is None or is_allowed(value)), f"{allowed}, or None"


_FLAG = (lambda value: isinstance(value, bool)), "True or False"
_PROBABILITY = (lambda value: _is_real(value) and 0 <= value < 1), "a number in [0, 1)"

_POSITIVE = (lambda value: _is_real(value) and value > 0), "a positive number"
# Far beyond any model: what is larger is a damaged file, and would fill the memory first.
_WIDTH, _DEPTH, _HEADS, _LENGTH = 2**16, 1_000, 1_000, 2**22

_BARCODEMAE_ALLOWED = {
    "kmer_size": _between(1, 8),
    "hidden_size": _between(1, _WIDTH),
    "num_hidden_layers": _between(1, _DEPTH),
    "num_attention_heads": _between(1, _HEADS),
    "intermediate_size": _between(1, 4 * _WIDTH),
    "decoder_hidden_size": _between(1, _WIDTH),
    "decoder_num_hidden_layers": _between(0, _DEPTH),
    "decoder_num_attention_heads": _between(1, _HEADS),
    "decoder_intermediate_size": _between(1, 4 * _WIDTH),
    "encoder_sees_mask": _FLAG,
    "cls_token": _FLAG,
    "pooling": ((lambda value: value in POOLINGS), "one of " + ", ".join(map(repr, POOLINGS))),
    "site_size": _only_with_sites(1, _WIDTH),
    "embedding_size": _only_with_sites(1, _WIDTH),
    "nucleotide_init": _FLAG,
    "mask_ratio": ((lambda value: _is_real(value) and 0 < value < 1), "a number in (0, 1)"),
    "hidden_act": (
        (lambda value: isinstance(value, str) and value in ACT2FN),
        "the name of an activation that transformers has, such as 'gelu'",
    ),
    "hidden_dropout_prob": _PROBABILITY,
    "attention_probs_dropout_prob": _PROBABILITY,
    "max_position_embeddings": _between(1, _LENGTH),
    "initializer_range": _POSITIVE,
    "layer_norm_eps": _POSITIVE,
}
_ENBED_ALLOWED = {
    "hidden_size": _between(2, _WIDTH),
    "num_layers": _between(1, _DEPTH),
    "num_decoder_layers": _between(1, _DEPTH),
    "num_heads": _between(1, _HEADS),
    "intermediate_size": _between(1, 4 * _WIDTH),
    "radii": ((lambda value: value is None or _is_list_of(int, value)), "a list of integers"),
    "decoder_radius": _between(1, _LENGTH),
    "summary_block": _between(0, _LENGTH),
    "learned_positions": _between(0, _LENGTH),
    "ngram_sizes": ((lambda value: _is_list_of(int, value)), "a list of integers"),
    "classifier_pooling": ((lambda value: value in ("mean", "sites")), "'mean' or 'sites'"),
    "aligned_output": _FLAG,
    "max_position_embeddings": _between(1, _LENGTH),
    "initializer_range": _POSITIVE,
    "dropout_rate": _PROBABILITY,
    "vocab_size": _between(1, 2**20),
}
# What transformers reads of any config.
_OF_ALL = {
    "architectures": (
        lambda value: value is None or _is_list_of(str, value),
        "a list of the names of classes",
    ),
    "id2label": (lambda value: value is None or isinstance(value, dict), "an object"),
}
# Model type -> field of its config -> (test, what is allowed).
_ALLOWED = {
    "barcodemae": {**_OF_ALL, **_BARCODEMAE_ALLOWED},
    "enbed": {**_OF_ALL, **_ENBED_ALLOWED},
}


def preset_config(name: str, **overrides) -> PretrainedConfig:
    """The config of the ready-made variant `name`, with `overrides` on top.

    Raises:
        ValueError: there is no such preset (the message lists those there are), or a field holds
            a value that is not allowed.
    """
    for model_type, presets in PRESETS.items():
        if name in presets:
            fields = {**presets[name], **overrides}
            check_values(fields, model_type)
            return FAMILIES[model_type].config_class(**fields)
    known = [name for presets in PRESETS.values() for name in presets]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"no preset {name!r}.{hint} Presets: {', '.join(known)}")


def check_values(fields: dict, model_type: str) -> None:
    """Raise ValueError if a field of a config of a family holds a value that is not allowed."""
    for field, value in fields.items():
        is_allowed, allowed = _ALLOWED[model_type].get(field, (lambda _: True, ""))
        if not is_allowed(value):
            raise ValueError(f"{field} = {value!r} is not allowed: {field} is {allowed}")
