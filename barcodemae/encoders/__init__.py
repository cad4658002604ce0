"""Encoders behind one small interface: barcodes in, one vector each out; found by a registry."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

from barcodemae.encoders.corruption import Corruption
from barcodemae.errors import BarcodeMAEError, first_line

_REVISION = re.compile(r"(.+)@([0-9a-f]{40})")


class Encoder(Protocol):
    """What every encoder offers.

    Attributes:
        fingerprint: changes with the weights, the tokenization and the pooling.
        settings: what the report says of it.
        corruptions: the kinds of `Corruption` that it knows.
        num_offsets: reading frames that differ for it (k of non-overlapping k-mers, else 1).
        knows_frames: whether `starts` make a difference to it.
        finds_region: whether it looks for the barcode in the whole record, on either strand.
    """

    fingerprint: str
    settings: dict
    corruptions: tuple[str, ...]
    num_offsets: int
    knows_frames: bool
    finds_region: bool

    def embed(
        self,
        sequences: Sequence[str],
        offset: int = 0,
        corruption: Corruption | None = None,
        starts: np.ndarray | None = None,
    ) -> np.ndarray:
        """Embed n barcodes.

        Args:
            sequences: n barcodes.
            offset: nucleotides cut from the front of each.
            corruption: tokens to mask.
            starts: (n,) places of the first nucleotides among those of a whole barcode; only
                where `knows_frames`, and without a corruption.

        Returns:
            (n, dim) float32, dense or CSR; zeros for a barcode that has nothing to embed.
        """
        ...


@dataclass(frozen=True)
class Options:
    """What an encoder may need beside its name.

    Attributes:
        device: default: the accelerator that PyTorch sees, else the CPU.
        batch_size: barcodes in a batch.
        seed: of random weights.
        remote_code: whose code from a Hub repository is run: "none", "known" (pinned in
            `baselines.yaml`), or "any" that is named with a revision.
    """

    device: str | None = None
    batch_size: int = 64
    seed: int = 0
    remote_code: str = "known"


@dataclass(frozen=True)
class Kind:
    """An entry of the registry.

    Attributes:
        make: "module:function" under this package, called with what follows the name and `Options`.
        form: how it is written, for messages and help.
        needs: extra of the package that it needs beyond the base installation; "" none.
    """

    make: str
    form: str
    needs: str = ""

    def __call__(self, detail: str, options: Options) -> Encoder:
        module, _, name = self.make.partition(":")
        make: Callable = getattr(import_module(f"{__name__}.{module}"), name)
        return make(detail, options)


# NAME or NAME:DETAIL -> what makes it. What is none of these is a checkpoint or a Hub id.
KINDS = {
    "kmer": Kind("kmer_frequencies:from_spec", "kmer:K"),
    "untrained": Kind("pretrained:untrained_from_spec", "untrained[:PRESET_OR_DIR]"),
    "cls": Kind("pretrained:cls_from_spec", "cls:DIR_OR_HUB_ID"),
    "sites": Kind("sites:from_spec", "sites"),
    "shipped": Kind("pretrained:shipped_from_spec", "shipped"),
    "onnx": Kind("onnx:from_spec", "onnx:DIR"),
}
_WITHOUT_TORCH = ("kmer", "sites", "onnx")
FORMS = ", ".join(["DIR_OR_HUB_ID", *(kind.form for kind in KINDS.values())])


def has_torch() -> bool:
    """Whether PyTorch is installed: the small installation computes with ONNX Runtime alone."""
    return find_spec("torch") is not None


def has_onnx() -> bool:
    """Whether ONNX Runtime is installed."""
    return find_spec("onnxruntime") is not None


def may_have_gpu() -> bool:
    """Whether there is a sign of a GPU that PyTorch may use; PyTorch takes seconds to say so."""
    return (
        bool(shutil.which("nvidia-smi")) or os.path.exists("/dev/kfd") or sys.platform == "darwin"
    )


def load_encoder(
    spec: str,
    device: str | None = None,
    batch_size: int = 64,
    seed: int = 0,
    remote_code: str = "known",
) -> Encoder:
    """Make the encoder that `spec` names.

    A directory, before all else; a name of `KINDS`; a baseline of `baselines.yaml` by name or Hub
    id; the Hub id of a model of ours; any other transformers encoder, ID or ID@REVISION. Without
    PyTorch, the ONNX graph of the shipped model or of a directory.

    Raises:
        BarcodeMAEError: it cannot be had; the message says what is missing.
    """
    options = Options(device, batch_size, seed, remote_code)
    name, _, detail = spec.partition(":")
    if not has_torch() and name not in _WITHOUT_TORCH:
        name, detail = "onnx", "" if spec == "shipped" else spec
        return KINDS[name](detail, options)
    if name in KINDS and not Path(spec).exists():
        return KINDS[name](detail, options)
    from barcodemae.encoders.huggingface import HuggingFaceEncoder, known_entry
    from barcodemae.encoders.pretrained import from_spec
    from barcodemae.families import FAMILIES

    repository, revision = split_revision(spec)
    entry = None if Path(spec).exists() else known_entry(repository, revision)
    if entry is None and model_type(repository) in FAMILIES:
        return from_spec(spec, options)
    return HuggingFaceEncoder.from_spec(entry, spec, options)


def split_revision(spec: str) -> tuple[str, str | None]:
    """ "org/name@SHA" -> ("org/name", "SHA"); without a commit's full SHA the whole is the id."""
    found = None if Path(spec).exists() else _REVISION.fullmatch(spec)
    return (found[1], found[2]) if found else (spec, None)


def model_type(spec: str) -> str | None:
    """`model_type` of a directory's or a Hub repository's config.json.

    Raises:
        BarcodeMAEError: there is none.
    """
    from transformers import PretrainedConfig

    path = Path(spec)
    if path.exists() and not (path / "config.json").is_file():
        raise BarcodeMAEError(
            f"{spec}: not a checkpoint directory (it has no config.json). Give the directory that "
            "pretraining wrote, for example OUTPUT_DIR/best."
        )
    try:
        config, _ = PretrainedConfig.get_config_dict(spec)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BarcodeMAEError(
            f"{spec} cannot be loaded: {first_line(error)}. --model takes {FORMS}, or a "
            "baseline's name."
        ) from error
    return config.get("model_type")
