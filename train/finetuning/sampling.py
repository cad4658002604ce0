"""Which barcodes an epoch reads, where not simply each of them once."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.lineages import IGNORED

logger = logging.getLogger(__name__)


class SeededSampler(Sampler[int]):
    """Rows that follow from the seed and the number of the epoch."""

    def __init__(self, seed: int):
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def generator(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.epoch])


class BalancedSampler(SeededSampler):
    """Rows drawn with replacement, every taxon equally often; a new draw for each epoch.

    `labels` (n,) are the taxa; rows without a label are drawn as if they were a taxon of their own.
    """

    def __init__(self, labels: np.ndarray, seed: int):
        super().__init__(seed)
        self.probabilities = balanced(labels)

    def __len__(self) -> int:
        return len(self.probabilities)

    def __iter__(self) -> Iterator[int]:
        draw = self.generator()
        yield from draw.choice(len(self), size=len(self), p=self.probabilities).tolist()


class TaxonSampler(SeededSampler):
    """Batches of P taxa x K barcodes, one batch after the other; a new draw for each epoch.

    The taxa of a batch are drawn equally often and differ; so do the barcodes of a taxon, of which
    those of each finer taxon are drawn about equally often: of a genus, those of each species.
    Taxa with fewer than K barcodes are never drawn. An epoch has as many rows as there are barcodes
    with a label, rounded down to whole batches.

    Args:
        labels: (n, ranks), coarse to fine; IGNORED where there is no label.
        column: the rank that P taxa are drawn of.
        taxa, barcodes: P and K.

    Raises:
        BarcodeMAEError: fewer than P taxa have K barcodes.
    """

    def __init__(self, labels: np.ndarray, column: int, taxa: int, barcodes: int, seed: int):
        super().__init__(seed)
        self.taxa, self.barcodes = taxa, barcodes
        drawn = labels[:, column]
        labelled = np.flatnonzero(drawn != IGNORED)
        order = labelled[np.argsort(drawn[labelled], kind="stable")]
        of_taxon = np.split(order, np.flatnonzero(np.diff(drawn[order])) + 1)
        self.rows = [rows for rows in of_taxon if len(rows) >= barcodes]
        if len(self.rows) < len(of_taxon):
            logger.warning(
                "%d of %d taxa have fewer than %d training barcodes and are never drawn; a lower "
                "--barcodes_per_taxon takes them in",
                *(len(of_taxon) - len(self.rows), len(of_taxon), barcodes),
            )
        if len(self.rows) < taxa:
            raise BarcodeMAEError(
                f"a batch is to hold {taxa} taxa with {barcodes} barcodes each, but only "
                f"{len(self.rows)} of {len(of_taxon)} taxa have so many training barcodes: lower "
                "--barcodes_per_taxon or --batch_size, or draw taxa of a higher rank"
            )
        self.probabilities = [balanced(labels[rows, -1]) for rows in self.rows]
        self.batches = max(1, len(labelled) // (taxa * barcodes))

    def __len__(self) -> int:
        return self.batches * self.taxa * self.barcodes

    def __iter__(self) -> Iterator[int]:
        draw = self.generator()
        for _ in range(self.batches):
            for taxon in draw.choice(len(self.rows), self.taxa, replace=False):
                rows, probabilities = self.rows[taxon], self.probabilities[taxon]
                yield from draw.choice(rows, self.barcodes, replace=False, p=probabilities).tolist()


def balanced(labels: np.ndarray) -> np.ndarray:
    """(n,) probabilities by which each of the labels (n,) is drawn equally often."""
    _, taxa, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return 1 / (len(counts) * counts[taxa])
