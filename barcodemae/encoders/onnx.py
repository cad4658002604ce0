"""Our models in ONNX Runtime: without PyTorch, on a CPU."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from barcodemae.data.grid import profile_but_of_coi
from barcodemae.encoders import Options
from barcodemae.encoders.corruption import Corruption
from barcodemae.encoders.shipped_models import shipped_model
from barcodemae.encoders.threads import a_thread_each, usable_threads
from barcodemae.encoders.tokens import TokenBatch, batches_of_like_length, token_batch
from barcodemae.errors import BarcodeMAEError, first_line
from grid_barcodemae import MAX_NUCLEOTIDES, Grid

_GRAPHS = ("graph.onnx", "onnx/model.onnx")  # beside the weights; of `export --onnx`
_OUTPUT = "pooler_output"


class OnnxEmbedder:
    """What `Embedder` is with PyTorch.

    Args:
        directory: of a model, with config.json and an ONNX graph.

    Attributes:
        dim, kmer_size, grid, longest, turned: as of `Embedder`.

    Raises:
        BarcodeMAEError: there is no model of ours with a graph, or ONNX Runtime is not installed.
    """

    def __init__(self, directory: str | Path):
        directory = Path(directory)
        graphs = [directory / name for name in _GRAPHS if (directory / name).is_file()]
        if not graphs:
            raise BarcodeMAEError(
                f"{directory}: there is no ONNX graph of a model. `barcodemae export CHECKPOINT -o "
                "DIR --onnx`, where PyTorch is installed, makes a directory with one."
            )
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        if config.get("model_type") != "barcodemae":
            raise BarcodeMAEError(f"{directory}: ONNX Runtime reads k-mers of BarcodeMAE alone")
        self.kmer_size = int(config["kmer_size"])
        grid = directory / "grid.safetensors"
        self.grid = Grid.load(grid) if config.get("pooling") == "sites" else None
        self.longest = self.grid.length if self.grid else MAX_NUCLEOTIDES
        self.turned = 0
        self.path = graphs[0]
        self._session, self._threads = _session(self.path), usable_threads()
        self.dim = {each.name: each for each in self._session.get_outputs()}[_OUTPUT].shape[1]

    def embed(
        self,
        sequences: Sequence[str],
        batch_size: int = 64,
        offset: int = 0,
        progress: bool = False,
        starts: np.ndarray | None = None,
    ) -> np.ndarray:
        """As `Embedder.embed`: (n, dim) float32. `starts` are not read (`knows_frames` says so)."""
        embeddings = np.zeros((len(sequences), self.dim), dtype=np.float32)
        with tqdm(total=len(sequences), unit="barcode", disable=not progress) as bar:
            for start in range(0, len(sequences), 64 * batch_size):
                piece = sequences[start : start + 64 * batch_size]
                tokens = token_batch(piece, self.kmer_size, offset, grid=self.grid)
                self.turned += tokens.turned
                batches = list(batches_of_like_length(tokens.lengths, batch_size))
                parts = a_thread_each(partial(self._embed_rows, tokens), batches, self._threads)
                for rows, part in zip(batches, parts, strict=True):
                    embeddings[start + rows] = part
                    bar.update(len(rows))
                bar.update(int((tokens.lengths == 0).sum()))
        return embeddings

    def _embed_rows(self, tokens: TokenBatch, rows: np.ndarray) -> np.ndarray:
        """(rows, dim) float32."""
        width = int(tokens.lengths[rows].max())
        given = {
            "input_ids": tokens.ids[rows, :width].astype(np.int64),
            "attention_mask": tokens.is_token[rows, :width].astype(np.int64),
        }
        return self._session.run([_OUTPUT], given)[0]


class OnnxEncoder:
    """A model of ours behind the interface of all encoders."""

    corruptions: tuple[str, ...] = ()
    knows_frames = False

    def __init__(self, directory: str | Path, batch_size: int):
        self.embedder = OnnxEmbedder(directory)
        self.batch_size = batch_size
        self.finds_region = self.embedder.grid is not None
        self.num_offsets = 1 if self.embedder.grid else self.embedder.kmer_size
        digest = hashlib.sha256(self.embedder.path.read_bytes())
        weights = Path(directory) / "model.safetensors"
        if weights.is_file():
            digest.update(weights.read_bytes())
        digest.update(profile_but_of_coi(self.embedder.grid))
        self.fingerprint = f"onnx-{digest.hexdigest()}"
        self.settings = {"encoder": f"onnx:{directory}", "dimensions": self.embedder.dim}

    def embed(
        self,
        sequences: Sequence[str],
        offset: int = 0,
        corruption: Corruption | None = None,
        starts: np.ndarray | None = None,
    ) -> np.ndarray:
        """(n, dim) float32 of n barcodes, `offset` nucleotides cut from the front."""
        return self.embedder.embed(sequences, self.batch_size, offset)


def from_spec(detail: str, options: Options) -> OnnxEncoder:
    """The ONNX graph of a model's directory; without one, of the shipped model."""
    return OnnxEncoder(detail or shipped_model(), options.batch_size)


def _session(path: Path):
    try:
        import onnxruntime
    except ImportError:
        raise BarcodeMAEError(
            "ONNX needs the package onnxruntime: pip install 'barcodemae[onnx]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # batches are spread over threads instead
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own classes, of no common base
        raise BarcodeMAEError(
            f"{path}: is no ONNX graph of a model, or damaged: {first_line(error)}"
        ) from error
