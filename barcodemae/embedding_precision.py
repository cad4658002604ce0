"""Encoders that embed faster in fewer bits, and how far their embeddings can be trusted."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import torch

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification import nearest

PRECISIONS = ("fp32", "bf16", "int8")
_EQUAL = 1e-6  # cosine; identical barcodes are neighbours of the same rank


def at_precision(model: torch.nn.Module, precision: str) -> torch.nn.Module:
    """A copy of an fp32 encoder that computes in `precision`, one of `PRECISIONS`.

    int8 is dynamic quantization: the weights of linear layers are stored in int8, their inputs
    are scaled batch by batch, all else stays fp32. No calibration data is needed.

    Raises:
        BarcodeMAEError: there is no such precision, or int8 is asked for away from the CPU.
    """
    if precision not in PRECISIONS:
        raise BarcodeMAEError(f"precision {precision!r}: must be one of {', '.join(PRECISIONS)}")
    model = copy.deepcopy(model)
    if precision == "bf16":
        return model.to(torch.bfloat16)
    return _quantized(model) if precision == "int8" else model


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


def neighbour_agreement(exact: np.ndarray, near: np.ndarray) -> float:
    """Share of barcodes whose nearest neighbour (1-NN, cosine) is the same in both embeddings.

    Every second barcode is a query and the others are the reference. A neighbour that is as near
    as the nearest counts as the same.

    Args:
        exact, near: (n, dim) of the same n >= 2 barcodes, in fp32 and in fewer bits.
    """
    best, _ = nearest(exact[::2], exact[1::2])
    _, chosen = nearest(near[::2], near[1::2])
    reference, query = _unit(exact[::2][chosen[:, 0]]), _unit(exact[1::2])
    return float(((reference * query).sum(axis=1) >= best[:, 0] - _EQUAL).mean())


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-30)
