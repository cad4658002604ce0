"""BarcodeMAE checkpoints, trained and untrained."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from barcodemae import BarcodeMAEModel
from barcodemae.data.grid import profile_but_of_coi
from barcodemae.encoders import Options
from barcodemae.encoders.corruption import KINDS, Corruption
from barcodemae.encoders.embedder import Embedder
from barcodemae.encoders.shipped_models import shipped_model
from barcodemae.errors import BarcodeMAEError
from barcodemae.loading import config_at
from barcodemae.presets import preset_config
from grid_barcodemae import MAX_NUCLEOTIDES

_POOLINGS = {"mean": "mean over real k-mers", "cls": "[CLS]", "sites": "by site"}
_FINGERPRINTS = {"mean": (), "cls": ("[CLS]",), "sites": ("sites",)}


def hash_weights(model: nn.Module, *more: object) -> str:
    """SHA-256 of all parameters and buffers, their names, and of what `more` says."""
    digest = hashlib.sha256(repr(more).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def hash_embedder(embedder: Embedder) -> str:
    """`hash_weights`, and of a grid other than COI's that lies beside them."""
    profile = profile_but_of_coi(embedder.grid)
    return hash_weights(embedder.model, *([profile] if profile else []))


class BarcodeMAEEncoder:
    """The encoder of a BarcodeMAE: the mean of its last layer over real k-mers, or its [CLS].

    Args:
        embedder: the encoder with its tokenization.
        batch_size: barcodes in a batch.
        origin: what the report says of it.
    """

    corruptions: tuple[str, ...] = KINDS
    knows_frames = True

    def __init__(self, embedder: Embedder, batch_size: int, origin: str):
        self.embedder = embedder
        self.batch_size = batch_size
        config = embedder.model.config
        grid = embedder.grid
        on_grid = grid is not None
        self.finds_region = on_grid
        self.num_offsets = 1 if on_grid else config.kmer_size
        pooling = config.pooling if embedder.pooling == "mean" else "cls"
        what_else = (config.kmer_size, MAX_NUCLEOTIDES, *_FINGERPRINTS[pooling])
        if grid is not None:
            what_else += (grid.profile.tobytes(),)
        self.fingerprint = hash_weights(embedder.model, *what_else)
        self.settings = {
            "encoder": origin,
            "dimensions": embedder.dim,
            "tokenization": f"{config.kmer_size}-mers, non-overlapping"
            + (", on a grid" if on_grid else ""),
            "pooling": _POOLINGS[pooling],
            **({} if on_grid else {"max_nucleotides": MAX_NUCLEOTIDES}),
            "parameters": sum(p.numel() for p in embedder.model.parameters()),
        }

    def embed(
        self,
        sequences: Sequence[str],
        offset: int = 0,
        corruption: Corruption | None = None,
        starts: np.ndarray | None = None,
    ) -> np.ndarray:
        """(n, hidden_size) float32 of n barcodes, `offset` nucleotides cut from the front.

        `starts` (n,) are as in `Embedder.embed`, without a corruption.
        """
        if corruption is None or corruption.share == 0:
            return self.embedder.embed(sequences, self.batch_size, offset, starts=starts)
        tokens = self.embedder.tokens(sequences, offset)
        ids, lengths, is_token = tokens.ids, tokens.lengths, tokens.is_token
        masked = corruption.masked(sequences, lengths.tolist())
        pooled = np.zeros((len(sequences), self.embedder.dim), dtype=np.float32)
        order = np.argsort(-lengths, kind="stable")
        order = order[lengths[order] > 0]
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            pooled[rows] = self._embed_visible(
                ids[rows], masked[rows], is_token[rows], corruption.kind
            )
        return pooled

    @torch.inference_mode()
    def _embed_visible(
        self, ids: np.ndarray, masked: np.ndarray, real: np.ndarray, kind: str
    ) -> np.ndarray:
        model, device = self.embedder.model, self.embedder.device
        width = int(real.sum(axis=1).max())
        positions = np.broadcast_to(np.arange(width), (len(ids), width))
        ids, masked, real = ids[:, :width], masked[:, :width], real[:, :width]
        if kind == "mask":
            ids = np.where(masked, model.config.mask_token_id, ids)
        else:
            visible = real & ~masked
            front = np.argsort(~visible, axis=1, kind="stable")[:, : visible.sum(axis=1).max()]
            ids, positions, real = (
                np.take_along_axis(array, front, axis=1) for array in (ids, positions, visible)
            )
        tensors = (torch.from_numpy(np.array(a)) for a in (ids, real, positions))
        output = model(*(tensor.to(device) for tensor in tensors))
        return self.embedder.pooled(output).cpu().numpy()


def from_spec(detail: str, options: Options) -> BarcodeMAEEncoder:
    """A checkpoint directory or Hub id, pooled as its config says."""
    embedder = Embedder.from_pretrained(detail, options.device)
    return BarcodeMAEEncoder(embedder, options.batch_size, detail)


def shipped_from_spec(detail: str, options: Options) -> BarcodeMAEEncoder:
    """The model that comes with the package."""
    if detail:
        raise BarcodeMAEError(f"shipped:{detail}: there is one shipped model; write shipped")
    return from_spec(shipped_model(), options)


def cls_from_spec(detail: str, options: Options) -> BarcodeMAEEncoder:
    """A checkpoint directory or Hub id, pooled by its [CLS]."""
    embedder = Embedder.from_pretrained(detail, options.device, pooling="cls")
    return BarcodeMAEEncoder(embedder, options.batch_size, detail)


def untrained_from_spec(detail: str, options: Options) -> BarcodeMAEEncoder:
    """Random weights in the architecture of a preset, the best one by default, or a directory."""
    architecture = detail or "barcodemae-k6"
    is_folder = Path(architecture).is_dir()
    config = config_at(architecture) if is_folder else preset_config(architecture)
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        model = BarcodeMAEModel(config)
    origin = f"untrained {architecture}, seed {options.seed}"
    return BarcodeMAEEncoder(Embedder(model, options.device), options.batch_size, origin)
