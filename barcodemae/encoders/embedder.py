"""Barcodes -> embeddings, with a trained encoder, as its configuration pools them.

The state of [CLS] can take the place of the mean where the model has one. A model that pools by
site has its barcodes laid on its grid first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from tqdm import tqdm

from barcodemae import BarcodeMAEModel
from barcodemae.data.grid import coi_grid
from barcodemae.encoders import windows
from barcodemae.encoders.threads import a_thread_each
from barcodemae.encoders.tokens import TokenBatch, batches_of_like_length
from barcodemae.errors import BarcodeMAEError, first_line
from barcodemae.families import family_of
from barcodemae.loading import family_at, load_whole
from grid_barcodemae import Grid
from modeling_barcodemae import BarcodeMAEModelOutput
from tokenization_barcodemae import BarcodeMAETokenizer


def usable_device(name: str | torch.device | None = None) -> torch.device:
    """The device `name`; without one, the accelerator that PyTorch sees, else the CPU.

    Raises:
        BarcodeMAEError: there is no such device here.
    """
    if name:
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, ValueError) as error:
            raise BarcodeMAEError(
                f"device {str(name)!r} cannot be used here ({first_line(error)}). Give "
                "cpu, cuda, cuda:1 or mps, or leave --device out."
            ) from error
        return device
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


class Embedder:
    """An encoder, ready to embed barcodes in bulk.

    Args:
        model: the encoder; moved to `device` and set to evaluation.
        device: default: the accelerator that PyTorch sees, else the CPU.
        pooling: "mean": what the model's configuration says (the mean over real k-mers, if
            nothing else), or "cls": the last layer's vector for [CLS].
        grid: of a model that pools by site; default: that of the checkpoint it was loaded from, or
            of COI. Others have none.

    Attributes:
        dim: length of an embedding.
        kmer_size: nucleotides in a token.
        grid: what barcodes are laid on; None: they are cut from the first nucleotide.
        longest: nucleotides of a record that an embedding can tell of; None: of all.
        turned: reverse complements that were turned in all calls so far.

    Raises:
        BarcodeMAEError: the model has no [CLS] to pool by, another number of places than the grid,
            or there is no such device.
    """

    def __init__(
        self,
        model: BarcodeMAEModel,
        device: str | torch.device | None = None,
        pooling: Literal["mean", "cls"] = "mean",
        grid: Grid | None = None,
    ):
        if pooling == "cls" and not model.config.cls_token:
            raise BarcodeMAEError(
                f"{model.config._name_or_path or 'this model'} has no [CLS] (its config's cls_token"
                " is false): pool by the mean"
            )
        self.pooling = pooling
        self.device = usable_device(device)
        self.model = model.to(self.device).eval()
        self.dim = model.config.hidden_size if pooling == "cls" else model.config.pooled_size
        self.kmer_size = model.config.kmer_size
        self.grid = grid_for(model, grid)
        family = family_of(model.config)
        reads = self.grid.length if self.grid else family.max_nucleotides
        self.longest = reads if family.overlap is None else None
        self.turned = 0

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        device: str | torch.device | None = None,
        pooling: Literal["mean", "cls"] = "mean",
    ) -> Embedder:
        """Load the encoder of a checkpoint directory or a Hub id.

        Raises:
            BarcodeMAEError: there is no model of ours at `model`, it has no [CLS] to pool by, or it
                needs a grid, and there is none beside it, or a damaged one.
        """
        encoder = load_whole(family_at(model).encoder_class, model, dtype=torch.float32)
        grid = grid_beside(model) if encoder.config.pooling == "sites" else None
        return cls(encoder, device, pooling, grid)

    def embed(
        self,
        sequences: Sequence[str],
        batch_size: int = 64,
        offset: int = 0,
        progress: bool = False,
        starts: np.ndarray | None = None,
    ) -> np.ndarray:
        """Embed n barcodes, each cut at 660 nucleotides or laid on the grid; of ENBED, sequences
        of any length, those beyond 16,383 as the mean of windows that overlap.

        Barcodes of like length share a batch, so little or no padding is computed. N and gaps at
        the end are no part of a barcode.

        Args:
            sequences: n barcodes.
            batch_size: barcodes in a batch.
            offset: nucleotides dropped from the front of each barcode; nothing on a grid.
            progress: show a progress bar.
            starts: (n,) places of the first nucleotides among those of a whole barcode: all are
                cut in its frame then, and keep its positions. None: each begins at 0.

        Returns:
            (n, dim) float32, in the order given; zeros for a barcode without a real k-mer
            (shorter than k, N in every k-mer, or nowhere on the grid).
        """
        family = family_of(self.model.config)
        if family.overlap is None:
            return self._embed(sequences, batch_size, offset, progress, starts)
        whole = ["".join(sequence.split())[offset:] for sequence in sequences]
        # One place is </s>'s.
        longest = min(family.max_nucleotides, self.model.config.max_position_embeddings) - 1
        parts, rows = windows.cut(whole, longest, min(family.overlap, longest // 2))
        return windows.merge(self._embed(parts, batch_size, 0, progress), parts, rows)

    def _embed(
        self,
        sequences: Sequence[str],
        batch_size: int,
        offset: int = 0,
        progress: bool = False,
        starts: np.ndarray | None = None,
    ) -> np.ndarray:
        embeddings = np.zeros((len(sequences), self.dim), dtype=np.float32)
        with tqdm(total=len(sequences), unit="barcode", disable=not progress) as bar:
            # Tokenized piece by piece: ids of millions of barcodes need not be held at once.
            for start in range(0, len(sequences), 64 * batch_size):
                piece = sequences[start : start + 64 * batch_size]
                given = None if starts is None else starts[start : start + len(piece)]
                tokens = self.tokens(piece, offset, given)
                self.turned += tokens.turned
                batches = list(batches_of_like_length(tokens.lengths, batch_size))
                embedded = []
                for rows, part in zip(batches, self._parts(tokens, batches), strict=True):
                    embedded.append(part)
                    bar.update(len(rows))
                bar.update(int((tokens.lengths == 0).sum()))
                if batches:
                    # One copy from the device for all: fetching each batch would stall a GPU.
                    embeddings[start + np.concatenate(batches)] = torch.cat(embedded).cpu().numpy()
        return embeddings

    def tokens(
        self, sequences: Sequence[str], offset: int = 0, starts: np.ndarray | None = None
    ) -> TokenBatch:
        """What the encoder reads of n barcodes; arguments as of `embed`."""
        return family_of(self.model.config).token_batch(
            sequences, self.kmer_size, offset, starts, self.grid
        )

    def _parts(self, tokens: TokenBatch, batches: list[np.ndarray]) -> Iterator[torch.Tensor]:
        """What `_embed_rows` returns of each batch; on a CPU a thread takes a whole batch."""
        work = partial(self._embed_rows, tokens)
        if self.device.type != "cpu":
            yield from map(work, batches)
            return
        threads = torch.get_num_threads()
        try:
            # Of PyTorch's number each thread has its own; a new one begins with the last that was
            # set anywhere.
            yield from a_thread_each(work, batches, threads, partial(torch.set_num_threads, 1))
        finally:
            torch.set_num_threads(threads)

    @torch.inference_mode()
    def _embed_rows(self, tokens: TokenBatch, rows: np.ndarray) -> torch.Tensor:
        """(rows, dim) float32, on the device."""
        lengths = tokens.lengths[rows]
        width = int(lengths.max())
        input_ids = self._move(tokens.ids[rows, :width])  # (rows, width)
        mask = self._move(tokens.is_token[rows, :width]) if lengths.min() < width else None
        positions = None
        if tokens.first is not None:
            positions = self._move(np.arange(width) + tokens.first[rows, None])
        return self.pooled(self.model(input_ids, mask, positions))

    def pooled(self, output: BarcodeMAEModelOutput) -> torch.Tensor:
        """The embeddings in what the encoder returned: (batch, dim) float32."""
        pooled = output.pooler_output
        assert pooled is not None  # an encoder always pools
        if self.pooling == "mean":
            return pooled.float()
        cls_state = output.cls_state  # of BarcodeMAE alone: ENBED's output has none
        assert cls_state is not None  # checked when this was made
        # Without a real k-mer the mean is zeros, and so must this be.
        return (cls_state * pooled.any(dim=1, keepdim=True)).float()

    def _move(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(array)
        if self.device.type != "cuda":
            return tensor.to(self.device)
        return tensor.pin_memory().to(self.device, non_blocking=True)


def grid_for(model: BarcodeMAEModel, grid: Grid | None = None) -> Grid | None:
    """The grid that barcodes are laid on for `model`; None: it reads none.

    `grid`, else that of the checkpoint that the model was loaded from, else COI's.

    Raises:
        BarcodeMAEError: the model has another number of places than the grid.
    """
    if model.config.pooling != "sites":
        return None
    grid = grid or BarcodeMAETokenizer.grid_of(model.config.name_or_path) or coi_grid()
    return _fitting(grid, model)


def _fitting(grid: Grid, model: BarcodeMAEModel) -> Grid:
    config = model.config
    if grid.length // config.kmer_size != config.max_position_embeddings:
        raise BarcodeMAEError(
            f"{config._name_or_path or 'this model'} has {config.max_position_embeddings} places, "
            f"and its grid of {grid.length} nucleotides has {grid.length // config.kmer_size} "
            f"{config.kmer_size}-mers. Put the grid that belongs to the model beside it."
        )
    return grid


def grid_beside(model: str | Path) -> Grid:
    """The grid that lies with a checkpoint.

    Raises:
        BarcodeMAEError: there is none, or it is damaged.
    """
    try:
        grid = BarcodeMAETokenizer.from_pretrained(model).grid
    except (OSError, ValueError) as error:
        raise BarcodeMAEError(f"{model}: its tokenizer cannot be loaded. {error}") from error
    if grid is None:
        raise BarcodeMAEError(
            f"{model}: the model reads barcodes on a grid, and its tokenizer has none: "
            "grid.safetensors is missing. Copy or save the model again, whole."
        )
    return grid
