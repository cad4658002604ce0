"""Barcodes with the labels of one or several ranks, and what their labels lack."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from barcodemae.data import read_barcodes
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.lineages import IGNORED, Lineages
from train.finetuning.finetune_arguments import FinetuneArguments
from train.loop.draws import random_bits

logger = logging.getLogger(__name__)


class LabelledBarcodes(torch.utils.data.Dataset):
    """Barcodes and the codes of their taxa.

    Attributes:
        nucleotides: n barcodes.
        labels: (n, ranks) int64, places in `Lineages.names`; IGNORED where there is no label.
        offset_below: frame offsets are drawn from 0 to below this, anew in each epoch.
        seed: of the offsets.
    """

    def __init__(self, nucleotides: Sequence[str], labels: np.ndarray):
        self.nucleotides = nucleotides
        self.labels = labels
        self.offset_below = 1
        self.seed = 0
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.nucleotides)

    def __getitem__(self, row: int) -> dict:
        draw = self.epoch * len(self) + row
        offset = int(random_bits(self.seed, np.array([draw]), 1)[0, 0] % self.offset_below)
        return {"nucleotides": self.nucleotides[row], "offset": offset, "labels": self.labels[row]}


def read_splits(arguments: FinetuneArguments) -> dict[str, pd.DataFrame]:
    """The training, validation and test splits by name.

    Where the data have no splits, a share of each taxon's barcodes is held out for validation.

    Raises:
        BarcodeMAEError: a split does not occur.
    """
    barcodes = read_barcodes(
        arguments.train_data,
        whole=True,  # tokens are made of 660 nucleotides, from the first or on the grid
        repeats="join",
        ids="keep",
        degap=arguments.degap,
        labels_matter=True,
        on_error=arguments.on_error,
    )
    splits = barcodes.unique("split")
    columns = ["nucleotides", "split", *arguments.ranks]
    table = barcodes.select_columns(columns).to_pandas()
    if splits == [None]:
        if arguments.test_splits:
            raise BarcodeMAEError(f"--test_splits {arguments.test_splits}: the data have no splits")
        is_held_out = _hold_out(table[arguments.ranks[-1]], arguments)
        return {
            arguments.train_split: table[~is_held_out],
            arguments.validation_split: table[is_held_out],
        }
    wanted = [arguments.train_split, arguments.validation_split, *arguments.test_splits]
    for split in wanted:
        if split not in splits:
            present = ", ".join(sorted(filter(None, splits)))
            raise BarcodeMAEError(f"no barcode is of the split {split!r}; present: {present}")
    return {split: table[table["split"] == split] for split in dict.fromkeys(wanted)}


def _hold_out(taxa: pd.Series, arguments: FinetuneArguments) -> np.ndarray:
    """(n,) flags: of each taxon the share, rounded down, so one of a single barcode stays."""
    order = np.random.default_rng(arguments.seed).permutation(len(taxa))
    shuffled = taxa.iloc[order]
    place = shuffled.groupby(shuffled).cumcount()
    held_out = place < (shuffled.groupby(shuffled).transform("size") * arguments.validation_share)
    single = shuffled.groupby(shuffled).transform("size") == 1
    flags = np.zeros(len(taxa), dtype=bool)
    flags[order] = (held_out & ~single).to_numpy()
    if not flags.any():
        raise BarcodeMAEError(
            f"no taxon at the rank {taxa.name} has two barcodes, so none can be held out for "
            "validation. Give a --validation_split, or a higher rank."
        )
    return flags


def grow_lineages(training: pd.DataFrame, arguments: FinetuneArguments) -> Lineages:
    """The taxa that the training barcodes have at the ranks asked for.

    Raises:
        BarcodeMAEError: no barcode has a label at a rank, or fewer than two taxa are left.
    """
    for rank in arguments.ranks:
        if training[rank].isna().all():
            raise BarcodeMAEError(
                f"no barcode of the split {arguments.train_split!r} has a label at the rank "
                f"{rank}: leave it out of --ranks, or give data that name it"
            )
    *above, finest = arguments.ranks
    counts = training[finest].value_counts()
    kept = counts.index[counts >= arguments.min_per_class].sort_values()
    if len(kept) < 2:
        raise BarcodeMAEError(
            f"{len(kept)} taxa of the rank {finest} have {arguments.min_per_class} or more "
            "training barcodes; at least 2 are needed. Lower --min_per_class or choose a rank."
        )
    columns = {rank: _parents(training, rank, finest, kept) for rank in above}
    return Lineages.from_columns({**columns, finest: list(kept)})


def _parents(training: pd.DataFrame, rank: str, finest: str, taxa: pd.Index) -> list[str | None]:
    """For each taxon of the finest rank the commonest taxon that its barcodes have at `rank`."""
    pairs = training[[finest, rank]].dropna().value_counts().reset_index()
    ambiguous = pairs[finest].duplicated()
    if ambiguous.any():
        taken = pairs.loc[ambiguous, finest].unique()
        logger.warning(
            "%d taxa of the rank %s stand under several of the rank %s (%s); the commonest is "
            "taken. Correct the labels if another is right.",
            *(len(taken), finest, rank, _some(taken)),
        )
    parent = pairs[~ambiguous].set_index(finest)[rank].reindex(taxa)
    return [None if pd.isna(name) else name for name in parent]


def label(table: pd.DataFrame, lineages: Lineages, split: str) -> LabelledBarcodes:
    """The barcodes of `table` that have a label at one rank at least.

    What stands above a known taxon of the finest rank is taken from its lineage.

    Raises:
        BarcodeMAEError: no barcode has a label that training knows.
    """
    codes = np.stack([lineages.codes(rank, table[rank]) for rank in lineages.ranks], axis=1)
    leaf = codes[:, -1]
    known = leaf != IGNORED
    for column, rank in enumerate(lineages.ranks[:-1]):
        codes[known, column] = lineages.of_leaf[rank].numpy()[leaf[known]]
    _tell_what_is_left_out(table, codes, lineages, split)
    is_labelled = (codes != IGNORED).any(axis=1)
    if not is_labelled.any():
        raise BarcodeMAEError(
            f"no barcode of the split {split!r} has a taxon that training knows at the ranks "
            f"{', '.join(lineages.ranks)}. Choose another split, or a higher rank in --ranks."
        )
    return LabelledBarcodes(table["nucleotides"][is_labelled].tolist(), codes[is_labelled])


def _tell_what_is_left_out(
    table: pd.DataFrame, codes: np.ndarray, lineages: Lineages, split: str
) -> None:
    for column, rank in enumerate(lineages.ranks):
        without = (table[rank].isna() & (codes[:, column] == IGNORED)).sum()
        if without:
            logger.warning(
                "%d of %d barcodes of %s have no label at the rank %s and are left out there",
                *(without, len(table), split, rank),
            )
        unknown = table[rank][table[rank].notna() & (codes[:, column] == IGNORED)]
        if len(unknown):
            taxa = unknown.unique()
            logger.warning(
                f"{len(unknown)} of {len(table)} barcodes of {split} belong to {len(taxa)} taxa of "
                f"the rank {rank} that training lacks ({_some(taxa)}); they cannot be classified "
                "correctly and are left out there. Add barcodes of these taxa to training, or "
                "choose a higher rank."
            )


def tell_imbalance(training: LabelledBarcodes, lineages: Lineages, balanced: bool) -> dict:
    """Log, and return, how many barcodes the taxa of the finest rank have."""
    leaf = training.labels[:, -1]
    counts = np.bincount(leaf[leaf != IGNORED], minlength=len(lineages.names[lineages.finest]))
    single = [lineages.names[lineages.finest][taxon] for taxon in np.flatnonzero(counts == 1)]
    summary = {
        "rank": lineages.finest,
        "taxa": len(counts),
        "barcodes": int(counts.sum()),
        "fewest": int(counts.min()),
        "median": float(np.median(counts)),
        "most": int(counts.max()),
        "with_one_barcode": len(single),
    }
    logger.info("training: %(barcodes)d barcodes of %(taxa)d taxa (%(rank)s)", summary)
    if len(single):
        logger.warning(
            f"{len(single)} of {len(counts)} taxa have one training barcode ({_some(single)}): too "
            "few to learn their variation. --min_per_class 2 leaves them out."
        )
    if counts.max() >= 10 * counts.min() and not balanced:
        logger.warning(
            f"taxa have from {counts.min()} to {counts.max()} training barcodes: rare ones will be "
            "named less well. --balanced_sampling True draws all equally often."
        )
    return summary


def _some(names: Sequence[str], most: int = 3) -> str:
    listed = ", ".join(map(str, names[:most]))
    return f"{listed}, ..." if len(names) > most else listed
