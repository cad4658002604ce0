"""Encoders that embed faster in fewer bits."""

from __future__ import annotations

import copy

import torch

from barcodemae.embedding.onnx_graph import Int8Encoder
from barcodemae.encoders.embedder import Embedder
from barcodemae.errors import BarcodeMAEError

PRECISIONS = ("fp32", "bf16", "int8")


def at_precision(embedder: Embedder, precision: str) -> Embedder:
    """A copy of an fp32 embedder that computes in `precision`, one of `PRECISIONS`.

    Raises:
        BarcodeMAEError: there is no such precision, or int8 is asked for away from the CPU or
            without ONNX Runtime.
    """
    if precision not in PRECISIONS:
        raise BarcodeMAEError(f"precision {precision!r}: must be one of {', '.join(PRECISIONS)}")
    model = copy.deepcopy(embedder.model)
    if precision == "bf16":
        model = model.to(torch.bfloat16)
    elif precision == "int8":
        device = embedder.device
        if device.type != "cpu":
            raise BarcodeMAEError(
                f"int8 runs on the CPU, not on {device}: use --device cpu, or bf16"
            )
        model = Int8Encoder(model)
    return Embedder(model, embedder.device, embedder.pooling, embedder.grid)
