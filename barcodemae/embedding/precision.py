"""Encoders that embed faster in fewer bits."""

from __future__ import annotations

import copy
import warnings

import torch

from barcodemae.encoders.embedder import Embedder
from barcodemae.errors import BarcodeMAEError

PRECISIONS = ("fp32", "bf16", "int8")


def at_precision(embedder: Embedder, precision: str) -> Embedder:
    """A copy of an fp32 embedder that computes in `precision`, one of `PRECISIONS`.

    int8 is dynamic quantization: the weights of linear layers are stored in int8, their inputs
    are scaled batch by batch, all else stays fp32. No calibration data is needed.

    Raises:
        BarcodeMAEError: there is no such precision, or int8 is asked for away from the CPU.
    """
    if precision not in PRECISIONS:
        raise BarcodeMAEError(f"precision {precision!r}: must be one of {', '.join(PRECISIONS)}")
    model = copy.deepcopy(embedder.model)
    if precision == "bf16":
        model = model.to(torch.bfloat16)
    elif precision == "int8":
        model = _quantized(model)
    return Embedder(model, embedder.device, embedder.pooling, embedder.grid)


def _quantized(model: torch.nn.Module) -> torch.nn.Module:
    device = next(model.parameters()).device
    if device.type != "cpu":
        raise BarcodeMAEError(f"int8 runs on the CPU, not on {device}: use --device cpu, or bf16")
    try:
        from torch.ao.quantization import quantize_dynamic
    except ImportError:
        raise BarcodeMAEError(
            f"PyTorch {torch.__version__} has no dynamic quantization: use bf16, or another version"
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it will move to another package one day
        return quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
