"""How many barcodes of species never seen have their nearest neighbour in their own taxon."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

from barcodemae import BarcodeMAEModel
from barcodemae.encoders.tokens import grid_ids
from barcodemae.identification.lineages import IGNORED
from train.contrast.views import gathered

_MOST_QUERIES, _MOST_REFERENCES = 1_000, 3_000
_AT_ONCE = 256


class NearestNeighbours:
    """Held-out barcodes, and the training barcodes among which their nearest ones are sought.

    Args:
        codes: (barcodes, places).
        taxa: (barcodes,), IGNORED without a label.
        rows, held_out: for training and for validation.
        kmer_size: k.
        seed: by which some are chosen, where there are more than can be embedded now and then.
    """

    def __init__(
        self,
        codes: np.ndarray,
        taxa: np.ndarray,
        rows: np.ndarray,
        held_out: np.ndarray,
        kmer_size: int,
        seed: int,
    ):
        generator = np.random.default_rng(seed)
        rows, held_out = rows[taxa[rows] != IGNORED], held_out[taxa[held_out] != IGNORED]
        queries = held_out[np.isin(taxa[held_out], taxa[rows])]
        self.queries = np.sort(generator.permutation(queries)[:_MOST_QUERIES])
        # Those of the asked taxa first, so that each can be found.
        order = generator.permutation(rows)
        asked = np.isin(taxa[order], taxa[self.queries])
        order = np.concatenate([order[asked], order[~asked]])
        self.references = np.sort(order[:_MOST_REFERENCES])
        self.codes, self.taxa, self.kmer_size = codes, taxa, kmer_size

    def tell(self, say: Callable[[str], None], rank: str) -> None:
        """Say by how many held-out barcodes the best model is chosen."""
        if len(self.queries):
            of = len(np.unique(self.taxa[self.queries]))
            say(
                f"{len(self.queries):,} held-out barcodes, of {of:,} taxa ({rank}), choose the best"
            )
        else:
            say(f"no {rank} has two species, one to hold out: best/ is that of the last step")

    @torch.no_grad()
    def accuracy(self, encoder: BarcodeMAEModel) -> float:
        """Share of the held-out barcodes whose nearest one is of their taxon; NaN without any."""
        if not len(self.queries):
            return float("nan")
        was_training = encoder.training
        encoder.eval()
        references, queries = (
            self._embed(encoder, rows) for rows in (self.references, self.queries)
        )
        encoder.train(was_training)
        nearest = (queries @ references.T).argmax(dim=1).cpu().numpy()
        right = self.taxa[self.references[nearest]] == self.taxa[self.queries]
        return float(right.mean())

    def _embed(self, encoder: BarcodeMAEModel, rows: np.ndarray) -> torch.Tensor:
        embeddings = []
        for first in range(0, len(rows), _AT_ONCE):
            ids = grid_ids(self.codes[rows[first : first + _AT_ONCE]], self.kmer_size)
            inputs = gathered(ids, 4**self.kmer_size)
            input_ids, places, known = (torch.from_numpy(i).to(encoder.device) for i in inputs)
            embedding = encoder(input_ids, known, places).pooler_output
            embeddings.append(F.normalize(embedding.float(), dim=1))
        return torch.cat(embeddings)
