"""Checkpoints of the authors' programs -> our format.

Their vocabulary is the special tokens, then the k-mers in ACGT order; [MASK] is the first special
token and [UNK] the last: [MASK] [UNK] today, [MASK] [CLS] [UNK] and [MASK] [CLS] [SEP] [PAD] [UNK]
in older files. Ours is the k-mers, [UNK], [MASK]. BarcodeMAE+ files have [MASK] [UNK] [CLS], and
[CLS] at position 0 before the k-mers; ours keeps it out of the vocabulary and of their positions.
"""

import json
from pathlib import Path

import torch

from barcodemae.directories import whole_directory
from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.legacy import LegacyCheckpoint, read_legacy
from barcodemae.hub.source import TRAINING_RECORD
from barcodemae.presets import check_values
from configuration_barcodemae import BarcodeMAEConfig
from modeling_barcodemae import BarcodeMAEForMaskedLM, BarcodeMAEModel

_EMBEDDINGS = "embeddings.word_embeddings.weight"
_POSITIONS = "embeddings.position_embeddings.weight"
_NUMBERS_OF_SPECIAL_TOKENS = (2, 3, 5)
# Fields of BertConfig that ours has under the same name.
_SHARED = (
    "num_attention_heads",
    "hidden_act",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "initializer_range",
    "layer_norm_eps",
)
_KEPT_ARGUMENTS = ("dataset", "epochs", "lr", "batch_size", "seed")


def convert(checkpoint: str | Path, output: str | Path) -> Path:
    """Write a checkpoint directory with the weights of a file of the authors' programs.

    A BarcodeMAE file holds the encoder alone and becomes a `BarcodeMAEModel`; a BarcodeBERT file
    with its token classifier becomes a `BarcodeMAEForMaskedLM` without a decoder.

    Args:
        checkpoint: best_pretraining.pt of BarcodeMAE or BarcodeBERT, or a bare BERT state dict.
        output: directory to write; must not exist, or be empty.

    Raises:
        BarcodeMAEError: the file is refused or cannot be read, its vocabulary is not one of
            k-mers as above, or `output` is not empty.
    """
    path = Path(checkpoint)
    legacy = read_legacy(path)
    num_kmers, num_special = _count_tokens(path, legacy)
    _refuse_nonsense(path, legacy)
    try:
        config = _config(legacy, num_kmers)
        check_values(config.to_dict(), config.model_type)
        weights = {f"bert.{name}": tensor for name, tensor in legacy.weights.items()}
        weights |= _embeddings(legacy, num_special)
        model = BarcodeMAEModel(config)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise BarcodeMAEError(
            f"{path}: its weights are not those of a BERT as the authors made them ({error}). A "
            "bare state dict must hold a whole BertModel with 12 attention heads."
        ) from error
    if legacy.head is not None and config.decoder_num_hidden_layers == 0:
        model = BarcodeMAEForMaskedLM(config)
        weights = {f"barcodemae.{name}": tensor for name, tensor in weights.items()}
        weights |= {"head.weight": legacy.head[0], "head.bias": legacy.head[1]}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise BarcodeMAEError(
            f"{path}: its weights do not fit its own config ({str(error).splitlines()[-1].strip()})"
        ) from error
    with whole_directory(output) as directory:
        model.save_pretrained(directory)
        arguments = {
            name: legacy.arguments[name]
            for name in _KEPT_ARGUMENTS
            if isinstance(legacy.arguments.get(name), (str, int, float))
        }
        record = {"converted_from": path.name, "original": {**arguments, **legacy.progress}}
        text = json.dumps(record, indent=2) + "\n"
        (directory / TRAINING_RECORD).write_text(text, encoding="utf-8")
    return Path(output)


def _refuse_nonsense(path: Path, legacy: LegacyCheckpoint) -> None:
    tensors = dict(legacy.weights)
    if legacy.head is not None:
        tensors |= {"classifier.weight": legacy.head[0], "classifier.bias": legacy.head[1]}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise BarcodeMAEError(f"{path}: {name} holds {tensor.dtype}, and weights are floats")
        if not tensor.isfinite().all():
            raise BarcodeMAEError(
                f"{path}: {name} holds NaN or infinity: that training ran away. Give an earlier "
                "checkpoint"
            )


def _count_tokens(path: Path, legacy: LegacyCheckpoint) -> tuple[int, int]:
    """Numbers of k-mers and of special tokens, from the number of embeddings."""
    total = len(legacy.weights[_EMBEDDINGS])
    for kmer_size in range(1, 9):
        if total - 4**kmer_size in _NUMBERS_OF_SPECIAL_TOKENS:
            return 4**kmer_size, total - 4**kmer_size
    raise BarcodeMAEError(
        f"{path}: a vocabulary of {total} tokens is not 4^k k-mers and 2, 3 or 5 special tokens. "
        "Models with byte-pair tokens, or with k-mers that contain N, cannot be converted."
    )


def _config(legacy: LegacyCheckpoint, num_kmers: int) -> BarcodeMAEConfig:
    weights, arguments = legacy.weights, legacy.arguments
    fields = {name: legacy.bert_config[name] for name in _SHARED if name in legacy.bert_config}
    # All that the shapes of the weights say is read off them: the oldest files hold nothing else.
    layers = {name.split(".")[2] for name in weights if name.startswith("encoder.layer.")}
    hidden_size = weights[_EMBEDDINGS].shape[1]
    fields.setdefault("num_attention_heads", 12)  # BertConfig's default, which those files used
    fields |= {
        "kmer_size": (num_kmers.bit_length() - 1) // 2,
        "hidden_size": hidden_size,
        "num_hidden_layers": len(layers),
        "intermediate_size": weights["encoder.layer.0.intermediate.dense.bias"].shape[0],
        "max_position_embeddings": weights[_POSITIONS].shape[0] - _has_cls(legacy),
        "cls_token": _has_cls(legacy),
    }
    if not legacy.is_encoder_alone:
        return BarcodeMAEConfig(**fields, encoder_sees_mask=True, decoder_num_hidden_layers=0)
    # The file does not hold the decoder; its shape is on record.
    return BarcodeMAEConfig(
        **fields,
        encoder_sees_mask=arguments.get("maelm_version") == "baseline",
        decoder_hidden_size=arguments.get("decoder_embed_dim", hidden_size),
        decoder_num_hidden_layers=arguments.get("decoder_n_layers", len(layers)),
        decoder_num_attention_heads=arguments.get("decoder_n_heads", fields["num_attention_heads"]),
    )


def _has_cls(legacy: LegacyCheckpoint) -> bool:
    return bool(legacy.arguments.get("use_cls_token"))


def _embeddings(legacy: LegacyCheckpoint, num_special: int) -> dict[str, torch.Tensor]:
    """Our embeddings of tokens, in the order k-mers [UNK] [MASK], of positions and of [CLS]."""
    tokens, positions = legacy.weights[_EMBEDDINGS], legacy.weights[_POSITIONS]
    unknown = 1 if _has_cls(legacy) else num_special - 1
    ours = {
        f"bert.{_EMBEDDINGS}": torch.cat(
            [tokens[num_special:], tokens[unknown : unknown + 1], tokens[:1]]
        )
    }
    if _has_cls(legacy):
        ours[f"bert.{_POSITIONS}"] = positions[1:]
        # It shares the first k-mer's position now; what it had of its own moves into its vector.
        ours["cls_embedding.weight"] = tokens[2:3] + positions[:1] - positions[1:2]
    return ours
