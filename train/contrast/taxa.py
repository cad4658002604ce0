"""Which barcodes a batch contrasts."""

from __future__ import annotations

from functools import lru_cache

import datasets
import numpy as np

from barcodemae.data.schemas import RANKS
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.lineages import IGNORED
from train.contrast.laid import LaidBarcodes, LaidDraws
from train.loop.arguments import PretrainArguments
from train.loop.draws import LABELLED, batch_generator
from train.masked_lm.labelled import taxa_of_rows

_SPECIES = 2  # of each taxon in a batch, where it has so many
_POWER = 0.5  # of the number of a taxon's barcodes, by which it is drawn
_RELATIVES = 8  # taxa of a family in a batch of relatives


class ContrastDraws(LaidDraws):
    """Draws of which those that begin each process's batch are of a few taxa, several of each.

    A taxon is drawn with a probability that grows with the root of the number of its barcodes; of
    each one `label_barcodes` barcodes (some repeatedly, where it has fewer), shared out over two of
    its species, where it has so many. In `relatives_share` of
    the batches the taxa come from few families, which are harder to tell apart. The rest of a
    batch, if there is one, goes through all barcodes epoch by epoch, as `Draws` does.
    A draw comes as (draw, codes, labels, whether it is there for contrast); labels (2 + ranks,) are
    its taxon, its species, and its taxa at `proxy_ranks`.

    Args:
        barcodes, laid, rows: what there is, and which of it is for training.
        arguments: seed, label_rank, label_taxa, label_barcodes, relatives_share, proxy_ranks,
            batch_size.
        batch_size: draws in one process's batch; `label_taxa` are spread evenly over the batches of
            a global one.

    Attributes:
        taxa, species: (barcodes,) int64, IGNORED without a label.
        named: taxa (barcodes,) of each of `proxy_ranks`, likewise.
        fresh: draws of a global batch that the epochs are made of.

    Raises:
        BarcodeMAEError: the labelled barcodes do not fit in a batch or do not fill one that has
            nothing else to learn from, or there are too few taxa.
    """

    def __init__(
        self,
        barcodes: datasets.Dataset,
        laid: LaidBarcodes,
        rows: np.ndarray,
        arguments: PretrainArguments,
        batch_size: int,
    ):
        super().__init__(barcodes, laid, rows, arguments.seed)
        self.rank, self.size = arguments.label_rank, arguments.label_barcodes
        self.batch_size, batches = batch_size, arguments.batch_size // batch_size
        self.taxa = taxa_of_rows(barcodes, rows, self.rank)
        self.species = finer_taxa(barcodes, self.rank)
        ranks = arguments.proxy_weights
        self.named = {rank: taxa_of_rows(barcodes, rows, rank) for rank in ranks}
        self.labels = np.stack([self.taxa, self.species, *self.named.values()], axis=1)
        labelled = rows[self.taxa[rows] != IGNORED]
        by_taxon = labelled[np.argsort(self.taxa[labelled], kind="stable")]
        counts = np.bincount(self.taxa[labelled], minlength=1)
        self.members = np.split(by_taxon, np.cumsum(counts)[:-1])
        weights = counts.astype(float) ** _POWER
        self.weights = weights / max(weights.sum(), 1)
        self.relatives_share = arguments.relatives_share
        self.families = self._families(barcodes) if self.relatives_share else None
        self.taxa_in_batch = arguments.label_taxa // batches
        self._check(arguments, batches, len(labelled))
        self.labelled_in_batch = self.taxa_in_batch * self.size
        self.fresh_in_batch = self.batch_size - self.labelled_in_batch
        self.fresh = self.fresh_in_batch * batches

    def _check(self, arguments: PretrainArguments, batches: int, labelled: int) -> None:
        if self.size < 2:
            raise BarcodeMAEError("--label_barcodes 1: contrast needs 2 or more of each taxon")
        asked = f"--label_taxa {arguments.label_taxa} x --label_barcodes {self.size}"
        if arguments.label_taxa % batches:
            raise BarcodeMAEError(
                f"--label_taxa {arguments.label_taxa} cannot be spread evenly over the {batches} "
                f"batches of a step: give a multiple of {batches}"
            )
        together = self.taxa_in_batch * self.size
        is_filled = together == self.batch_size
        if together > self.batch_size or not (is_filled or arguments.masked_weight):
            wanted = "at most" if arguments.masked_weight else "(without masked k-mers) exactly"
            raise BarcodeMAEError(
                f"{asked}: {together} labelled barcodes in a batch, where there must be {wanted} "
                f"{self.batch_size}, as --batch_size is shared out"
            )
        if len(self.members) < max(arguments.label_taxa, 2) or not labelled:
            raise BarcodeMAEError(
                f"--label_rank {self.rank}: {len(self.members) if labelled else 0} taxa have two "
                f"or more labelled training barcodes, too few for {asked}. Lower it, choose "
                "another rank, or give data with labels."
            )

    def _open(self) -> None:
        super()._open()
        self._labelled = lru_cache(maxsize=4)(self._choose)

    @property
    def record(self) -> dict:
        return {
            **super().record,
            "label_rank": self.rank,
            "n_labelled": sum(map(len, self.members)),
            "n_taxa": len(self.members),
        }

    def row_of(self, draw: int) -> int:
        batch, place = divmod(draw, self.batch_size)
        if place < self.labelled_in_batch:
            return int(self._labelled(batch)[place])
        return super().row_of(batch * self.fresh_in_batch + place - self.labelled_in_batch)

    def __getitem__(self, draw: int) -> tuple:
        row = self.row_of(draw)
        is_labelled = draw % self.batch_size < self.labelled_in_batch
        return draw, self.codes[row], self.labels[row], is_labelled

    def _choose(self, batch: int) -> np.ndarray:
        """The rows that begin a batch, taxon by taxon."""
        generator = batch_generator(self.seed, batch, LABELLED)
        if self.families is not None and generator.random() < self.relatives_share:
            taxa = self._relatives(generator)
        else:
            taxa = generator.choice(
                len(self.members), self.taxa_in_batch, replace=False, p=self.weights
            )
        return np.concatenate([self._some(self.members[taxon], generator) for taxon in taxa])

    def _families(self, barcodes: datasets.Dataset) -> np.ndarray:
        """(taxa,) the family of most of a taxon's barcodes; its own number below 0: none is known.

        Raises:
            BarcodeMAEError: no barcode has one.
        """
        codes = barcodes.data.column("family").dictionary_encode().combine_chunks().indices
        codes = codes.fill_null(-1).to_numpy(zero_copy_only=False)
        if (codes < 0).all():
            raise BarcodeMAEError("--relatives_share: no barcode of the data has a family")
        own = [codes[rows][codes[rows] >= 0] for rows in self.members]
        return np.array([np.bincount(f).argmax() if len(f) else -1 - i for i, f in enumerate(own)])

    def _relatives(self, generator: np.random.Generator) -> np.ndarray:
        """The taxa of a batch, family by family, some of each."""
        number = len(self.members)
        order = generator.choice(number, number, replace=False, p=self.weights)
        chosen: dict[int, None] = {}  # in the order of insertion
        for taxon in order:
            if len(chosen) >= self.taxa_in_batch:
                break
            relatives = order[self.families[order] == self.families[taxon]]
            chosen |= dict.fromkeys(relatives[:_RELATIVES].tolist())
        chosen |= dict.fromkeys(order.tolist())  # where there are too few families
        return np.array(list(chosen)[: self.taxa_in_batch])

    def _some(self, rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """`size` of the rows of a taxon, evenly of some of its species."""
        species = self.species[rows]
        kinds = generator.permutation(np.unique(species))[:_SPECIES]
        chosen = []
        for number, kind in enumerate(kinds):
            own = rows[species == kind]
            size = (self.size + number) // len(kinds)  # in sum `self.size`
            chosen.append(generator.choice(own, size, replace=len(own) < size))
        return np.concatenate(chosen)


def finer_taxa(barcodes: datasets.Dataset, rank: str) -> np.ndarray:
    """(barcodes,) int64: each one's species, or else its BIN; IGNORED: neither, or at that rank."""
    species = np.full(len(barcodes), IGNORED)
    if rank == RANKS[-1]:
        return species
    for column in ("dna_bin", RANKS[-1]):  # the latter wins
        codes = barcodes.data.column(column).dictionary_encode().combine_chunks().indices
        codes = codes.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        offset = species.max(initial=0) + 1
        species = np.where(codes >= 0, codes + offset, species)
    return species


def hold_out_species(
    barcodes: datasets.Dataset, rows: np.ndarray, rank: str, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of `rows`, those for training and those for validation, about `share` of them.

    Whole species are held out, one of a taxon of `rank` at most, whose others remain: what is
    learned is to know a taxon by species that were never seen. What has no species is held out
    one by one.
    """
    generator = np.random.default_rng(seed)
    taxa, species = taxa_of_rows(barcodes, rows, rank)[rows], finer_taxa(barcodes, rank)[rows]
    labelled = (taxa != IGNORED) & (species != IGNORED)
    held_out = np.zeros(len(rows), dtype=bool)
    pairs = np.unique(np.stack([taxa[labelled], species[labelled]], axis=1), axis=0)
    several = np.flatnonzero(np.bincount(pairs[:, 0], minlength=1) > 1)
    counts = np.bincount(species[labelled], minlength=1)
    wanted = share * labelled.sum()
    for taxon in generator.permutation(several):
        if wanted <= 0:
            break
        own = pairs[pairs[:, 0] == taxon, 1]
        chosen = own[generator.integers(len(own))]
        held_out |= labelled & (species == chosen)
        wanted -= counts[chosen]
    others = np.flatnonzero(~labelled)
    some = generator.permutation(others)[: round(share * len(others))]
    held_out[some] = True
    return rows[~held_out], rows[held_out]
