"""Checkpoints of the authors' programs, read without running what is in them.

BarcodeMAE and BarcodeBERT save pickles. `torch.load(weights_only=True)` builds tensors and plain
values; any other class must stand in the allow-list here, and those that it holds are inert: a
stand-in keeps what the pickle gives it and does nothing.
"""

import argparse
import pickle
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch

from barcodemae.errors import BarcodeMAEError, first_line


def _stand_in(name: str) -> type:
    """A class that the pickle takes for `name`; made or called, it does nothing."""
    module, _, qualname = name.rpartition(".")
    return type(qualname, (), {"__module__": module, "__init__": lambda self, *args: None})


_FIELDS = ("bert_config", "config")

# What the saved state of an optimizer and a schedule of that time may refer to; none of it is
# used. With torch 2.0 a OneCycleLR refers to its own method, hence getattr.
ALLOWED = [
    argparse.Namespace,
    defaultdict,
    dict,
    _stand_in("torch.optim.lr_scheduler.OneCycleLR"),
    _stand_in("torch.optim.adamw.AdamW"),
    _stand_in("builtins.getattr"),
]


@dataclass
class LegacyCheckpoint:
    """What a file of the authors' programs holds.

    Attributes:
        weights: state dict of a `BertModel`, keys without the prefixes of wrappers and heads.
        head: (weight, bias) of the token classifier, (4^k, hidden) and (4^k,); None: not saved.
        is_encoder_alone: whether the encoder was saved by itself, as BarcodeMAE does, and not as
            part of a larger BERT, as BarcodeBERT does.
        bert_config: fields of the `BertConfig`; {} in the oldest files, which do not hold it.
        arguments: what the training program was started with; {} where it is not held.
        progress: epoch, total_step, n_samples_seen and the like, as far as they are held.
    """

    weights: dict[str, torch.Tensor]
    head: tuple[torch.Tensor, torch.Tensor] | None
    is_encoder_alone: bool
    bert_config: dict
    arguments: dict
    progress: dict


def read_legacy(path: str | Path) -> LegacyCheckpoint:
    """Read `best_pretraining.pt` of BarcodeMAE or BarcodeBERT, or a bare state dict.

    Raises:
        BarcodeMAEError: there is no such file, it holds an object that is not allowed (nothing
            of it has been run), or its contents are not those of a BERT.
    """
    path = Path(path)
    content = _load(path)
    if not isinstance(content, dict):
        raise BarcodeMAEError(f"{path}: holds a {type(content).__name__}, not a checkpoint.")
    weights = content.get("model", content)
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in weights.items()
    ):
        raise BarcodeMAEError(
            f"{path}: holds no state dict (neither under 'model' nor by itself). Give "
            "best_pretraining.pt as the authors' pretraining wrote it."
        )
    is_bare = weights is content
    bert_config, arguments = ({} if is_bare else _fields(path, content, n) for n in _FIELDS)
    encoder, head, is_encoder_alone = _split(weights)
    if "embeddings.word_embeddings.weight" not in encoder:
        raise BarcodeMAEError(
            f"{path}: its weights are not those of a BERT (no word embeddings among "
            f"{len(weights)} tensors)."
        )
    progress = {} if is_bare else _numbers(content)
    return LegacyCheckpoint(encoder, head, is_encoder_alone, bert_config, arguments, progress)


def _load(path: Path):
    if not path.is_file():
        raise BarcodeMAEError(f"{path}: there is no such file.")
    with path.open("rb") as file:
        begin = file.read(2)
    if begin not in (b"PK", b"\x1f\x8b") and not begin.startswith(b"\x80"):
        raise BarcodeMAEError(
            f"{path}: is not a PyTorch checkpoint, neither of today nor of old (it begins with "
            f"{begin!r}). Give best_pretraining.pt as the authors' pretraining wrote it."
        )
    try:
        with torch.serialization.safe_globals(ALLOWED):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BarcodeMAEError(
            f"{path}: refused. It asks to build something that a checkpoint of BarcodeMAE or "
            f"BarcodeBERT has no need of; nothing of it was run. ({_reason(error)}) If you "
            "trust its source, save its 'model', 'bert_config' and 'config' anew there."
        ) from error
    except Exception as error:  # a damaged file can fail anywhere in the reader
        raise BarcodeMAEError(
            f"{path}: cannot be read ({_reason(error)}). The file is damaged or is not a "
            "PyTorch checkpoint."
        ) from error


def _split(weights: dict) -> tuple[dict, tuple[torch.Tensor, torch.Tensor] | None, bool]:
    """Encoder, head, and whether the encoder stood alone; the names of wrappers fall away."""
    plain, is_encoder_alone = {}, True
    for name, tensor in weights.items():
        name = name.removeprefix("module.")  # DistributedDataParallel
        is_encoder_alone = is_encoder_alone and not name.startswith("bert.")
        plain[name.removeprefix("bert.")] = tensor
    head = None
    if "classifier.weight" in plain and "classifier.bias" in plain:
        head = plain["classifier.weight"], plain["classifier.bias"]
    encoder = {
        name: tensor
        for name, tensor in plain.items()
        # position_ids: a buffer of older versions; pooler: no embedding uses it.
        if name.startswith(("embeddings.", "encoder.")) and not name.endswith("position_ids")
    }
    return encoder, head, is_encoder_alone


def _fields(path: Path, content: dict, name: str) -> dict:
    """What a checkpoint holds under `name`, a dict or an object with attributes."""
    value = content.get(name) or {}
    if isinstance(value, dict):
        return value
    try:
        return vars(value)
    except TypeError:
        raise BarcodeMAEError(
            f"{path}: {name!r} is a {type(value).__name__}, where a checkpoint of the authors "
            "holds names and values"
        ) from None


def _numbers(content: dict) -> dict:
    return {
        name: value
        for name, value in content.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def _reason(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if "Unsupported" in line or "GLOBAL" in line]
    return lines[0].strip() if lines else first_line(error)
