"""Ready-made variants of the models, and what a field of a config may hold."""

from __future__ import annotations

import difflib

from transformers import PretrainedConfig

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
        **_width(128, 3, 2),
        "decoder_num_hidden_layers": 1,
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
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _at_least(minimum: int):
    return (lambda value: _is_int(value) and value >= minimum), f"an integer of at least {minimum}"


def _only_with_sites(minimum: int):
    is_allowed, allowed = _at_least(minimum)
    return (lambda value: value is None or is_allowed(value)), f"{allowed}, or None"


_FLAG = (lambda value: isinstance(value, bool)), "True or False"
_PROBABILITY = (lambda value: _is_real(value) and 0 <= value < 1), "a number in [0, 1)"

# Field of a BarcodeMAEConfig: (test, what is allowed).
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


def preset_config(name: str, **overrides) -> PretrainedConfig:
    """The config of the ready-made variant `name`, with `overrides` on top.

    Raises:
        ValueError: there is no such preset (the message lists those there are), or a field holds
            a value that is not allowed.
    """
    for model_type, presets in PRESETS.items():
        if name in presets:
            fields = {**presets[name], **overrides}
            if model_type == "barcodemae":
                check_values(fields)
            return FAMILIES[model_type].config_class(**fields)
    known = [name for presets in PRESETS.values() for name in presets]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(f"no preset {name!r}.{hint} Presets: {', '.join(known)}")


def check_values(fields: dict) -> None:
    """Raise ValueError if a field of a BarcodeMAEConfig holds a value that is not allowed."""
    for field, value in fields.items():
        is_allowed, allowed = _ALLOWED.get(field, (lambda _: True, ""))
        if not is_allowed(value):
            raise ValueError(f"{field} = {value!r} is not allowed: {field} is {allowed}")
