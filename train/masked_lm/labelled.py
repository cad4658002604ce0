"""Barcodes with labels in every global batch, for semi-supervised pretraining (BarcodeMAE+)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import datasets
import numpy as np
import torch

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.lineages import IGNORED
from train.loop.arguments import PretrainArguments
from train.loop.barcodes import Draws
from train.loop.draws import LABELLED, batch_generator


class LabelledDraws(Draws):
    """Draws of which those that begin a global batch are of a few taxa, several of each.

    `label_taxa` taxa are drawn uniformly, anew for each global batch, and `label_barcodes` of each
    one's barcodes (some of them repeatedly, where it has fewer). The rest of the batch goes
    through all barcodes epoch by epoch, as `Draws` does; those that carry a label count, too.
    A draw comes as (draw, nucleotides, taxon).

    Args:
        barcodes, rows: as of `Draws`; labels of other rows are not read.
        arguments: seed, label_rank, label_taxa, label_barcodes.
        global_batch: draws in a global batch.

    Attributes:
        taxa: (barcodes,) int64 taxon of each row, numbered from 0; IGNORED: no label, or one that
            no other of `rows` has.
        num_taxa: how many there are.
        fresh: draws of a global batch that the epochs are made of.

    Raises:
        BarcodeMAEError: the labelled barcodes do not fit in a global batch, or there are too few
            taxa.
    """

    def __init__(
        self,
        barcodes: datasets.Dataset,
        rows: np.ndarray,
        arguments: PretrainArguments,
        global_batch: int,
    ):
        super().__init__(barcodes, rows, arguments.seed)
        self.rank = arguments.label_rank
        self.taxa_in_batch = arguments.label_taxa
        self.barcodes_of_taxon = arguments.label_barcodes
        self.global_batch = global_batch
        labelled_in_batch = self.taxa_in_batch * self.barcodes_of_taxon
        self.fresh = global_batch - labelled_in_batch
        if self.fresh < 1:
            raise BarcodeMAEError(
                f"--label_taxa {self.taxa_in_batch} x --label_barcodes {self.barcodes_of_taxon}: "
                f"{labelled_in_batch} labelled barcodes leave no room for others in a global batch "
                f"of {global_batch}. Lower one of the two, or raise --batch_size."
            )
        self.taxa = taxa_of_rows(barcodes, rows, self.rank)
        self.num_taxa = int(self.taxa.max(initial=-1)) + 1
        if self.num_taxa < max(self.taxa_in_batch, 2):
            raise BarcodeMAEError(
                f"--label_rank {self.rank}: {self.num_taxa} taxa have two or more labelled "
                f"training barcodes, too few for --label_taxa {self.taxa_in_batch}. Lower it, "
                "choose another rank, or give data with labels."
            )
        labelled = np.flatnonzero(self.taxa != IGNORED)
        by_taxon = labelled[np.argsort(self.taxa[labelled], kind="stable")]
        self.members = np.split(by_taxon, np.cumsum(np.bincount(self.taxa[labelled]))[:-1])

    def _open(self) -> None:
        super()._open()
        self._labelled = lru_cache(maxsize=2)(self._choose)

    @property
    def record(self) -> dict:
        labelled = int((self.taxa != IGNORED).sum())
        return {
            **super().record,
            "label_rank": self.rank,
            "n_labelled": labelled,
            "n_taxa": self.num_taxa,
        }

    def row_of(self, draw: int) -> int:
        batch, place = divmod(draw, self.global_batch)
        labelled = self._labelled(batch)
        if place < len(labelled):
            return int(labelled[place])
        return super().row_of(batch * self.fresh + place - len(labelled))

    def __getitem__(self, draw: int) -> tuple[int, str, int]:
        return *super().__getitem__(draw), int(self.taxa[self.row_of(draw)])

    def _choose(self, batch: int) -> np.ndarray:
        """The rows that begin a global batch, taxon by taxon."""
        rng = batch_generator(self.seed, batch, LABELLED)
        size = self.barcodes_of_taxon
        return np.concatenate(
            [
                rng.choice(self.members[taxon], size, replace=len(self.members[taxon]) < size)
                for taxon in rng.choice(self.num_taxa, self.taxa_in_batch, replace=False)
            ]
        )


def taxa_of_rows(barcodes: datasets.Dataset, rows: np.ndarray, rank: str) -> np.ndarray:
    """(barcodes,) int64 taxon at `rank` of each of `rows`, numbered in the order of the file.

    IGNORED: another row, no label, or a taxon that only one of `rows` belongs to.
    """
    column = barcodes.data.column(rank).dictionary_encode().combine_chunks()
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)[rows]
    counts = np.bincount(codes[codes >= 0], minlength=len(column.dictionary))
    kept = np.flatnonzero(counts >= 2)
    number = np.full(len(counts) + 1, IGNORED)  # the last is that of a missing label, code -1
    number[kept] = np.arange(len(kept))
    taxa = np.full(len(barcodes), IGNORED)
    taxa[rows] = number[codes]
    return taxa


class TaxonCollator:
    """What `collator` makes of `LabelledDraws`, and their `taxa`: (batch,) int64."""

    def __init__(self, collator: Callable[[Sequence[tuple[int, str]]], dict]):
        self.collator = collator

    def __call__(self, items: Sequence[tuple[int, str, int]]) -> dict[str, torch.Tensor | int]:
        batch = self.collator([item[:2] for item in items])
        return {**batch, "taxa": torch.tensor([taxon for *_, taxon in items])}
