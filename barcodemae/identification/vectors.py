"""Barcodes on the grid -> the vectors that a library holds: an encoder, a linear map, length 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from barcodemae.encoders import Encoder
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.metric import Scatter, shipped_scatter
from grid_barcodemae import nucleotide_text

INFERENCE = ("aligned", "none", "centre", "whiten", "metric")
SITES = "sites"
_PIECE = 2048  # barcodes embedded at a time
_SMALLEST = 1e-6  # share of the largest variance below which a direction is rounding


def texts(codes: np.ndarray) -> list[str]:
    """n barcodes as letters, N for what is unknown, from codes (n, sites)."""
    return list(map(nucleotide_text, codes))


@dataclass
class LinearMap:
    """x -> (x - mean) @ weights; without weights only the mean is taken off."""

    mean: np.ndarray | None = None
    weights: np.ndarray | None = None

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        if self.mean is not None:
            vectors = vectors - self.mean
        return vectors if self.weights is None else vectors @ self.weights

    def save(self, path: Path) -> None:
        parts = {"mean": self.mean, "weights": self.weights}
        save_file({name: part for name, part in parts.items() if part is not None}, path)

    @classmethod
    def load(cls, path: Path) -> LinearMap:
        return cls(**load_file(path))


def check_inference(text: str, encoder: str) -> str:
    """The option that `text` names; "" is the encoder's default: metric for sites, else none.

    `aligned` is what is always done, so it may be named beside another.

    Raises:
        BarcodeMAEError: there is no such option.
    """
    names = [name.strip() for name in text.split("+") if name.strip()]
    for name in names:
        if name not in INFERENCE:
            raise BarcodeMAEError(
                f"no inference option {name!r} (in {text!r}). Options: {', '.join(INFERENCE)}"
            )
    chosen = [name for name in names if name != "aligned"]
    if len(chosen) > 1:
        raise BarcodeMAEError(f"--inference {text}: give one of {', '.join(INFERENCE[1:])}")
    return chosen[0] if chosen else ("metric" if encoder == SITES else "none")


def embed(
    encoder: Encoder, codes: np.ndarray, done: Callable[[int], object] = lambda count: None
) -> np.ndarray:
    """(n, dim) float32 from codes (n, sites), before any map; `done` is told of each piece.

    Raises:
        BarcodeMAEError: the encoder gives sparse vectors.
    """
    pieces = []
    for start in range(0, len(codes), _PIECE):
        piece = codes[start : start + _PIECE]
        if hasattr(encoder, "embed_codes"):
            vectors = encoder.embed_codes(piece)
        else:
            vectors = encoder.embed(texts(piece))
        if not isinstance(vectors, np.ndarray):
            raise BarcodeMAEError(
                f"{encoder.settings['encoder']}: gives sparse vectors, and a library holds dense "
                "ones. Give sites, kmer:6 or a model."
            )
        pieces.append(np.asarray(vectors, dtype=np.float32))
        done(len(piece))
    return np.concatenate(pieces)


def widened(vectors: np.ndarray) -> np.ndarray:
    """As float32. NumPy takes four times as long for float16, a number at a time."""
    if vectors.dtype != np.float16:
        return np.asarray(vectors, dtype=np.float32)
    bits = vectors.view(np.int16).astype(np.int32)
    bits <<= 13  # exponent and digits to their places, the sign to all places before them
    bits &= ~0x70000000
    found = bits.view(np.float32)
    found *= np.float32(2.0**112)  # exponents count from -127 instead of -15
    if max(found.max(initial=0), -found.min(initial=0)) > np.finfo(np.float16).max:
        return vectors.astype(np.float32)  # one is not finite
    return found


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32, copy=False)


def fit_map(
    inference: str, vectors: np.ndarray, genera: np.ndarray, shipped: bool
) -> LinearMap | None:
    """The map of an inference option, fitted on vectors (n, dim) and their genera ("" = missing).

    With `shipped` (vectors of `sites`) the metric is pooled with the scatter in the package, and
    nothing is centred: those vectors are.

    Raises:
        BarcodeMAEError: the metric lacks genera of two barcodes.
    """
    if inference == "none":
        return None
    if len(vectors) < 2 and inference != "metric":
        return None  # less its own mean a single record is nothing, and like nothing
    if inference == "metric" and shipped:
        own = Scatter.of(vectors, genera)
        return LinearMap(None, (own + shipped_scatter()).directions())
    mean = vectors.mean(axis=0)
    if inference == "metric":
        return LinearMap(mean, Scatter.of(vectors - mean, genera).directions())
    if inference == "whiten":
        _, singular, directions = np.linalg.svd(vectors - mean, full_matrices=False)
        kept = singular**2 > _SMALLEST * singular[0] ** 2
        scale = singular[kept] / np.sqrt(len(vectors) - 1)
        return LinearMap(mean, (directions[kept] / scale[:, None]).T.astype(np.float32))
    return LinearMap(mean)
