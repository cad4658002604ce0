"""Splits of simulated barcodes in the manner of BIOSCAN-5M.

`pretrain` holds the species without a label; `train`, `val` and `test` share the seen species;
`key_unseen`, `val_unseen` and `test_unseen` share other species, of genera that `train` knows;
`other_heldout` holds labelled species of genera that `train` does not know. Identical barcodes of a
species stand in one split.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

_SEEN_SHARE = 0.6  # of the labelled species; chosen, as are the shares of the splits below
_HASH = np.random.default_rng(0).integers(1, 2**63, 83, dtype=np.uint64) | np.uint64(1)


class Role(IntEnum):
    """What the barcodes of a species are used for."""

    UNLABELLED = 0
    SEEN = 1
    UNSEEN = 2
    HELDOUT = 3


# Splits of each role with the share of barcodes in each; a species' founder is in the first.
SPLITS = {
    Role.UNLABELLED: {"pretrain": 1.0},
    Role.SEEN: {"train": 0.7, "test": 0.2, "val": 0.1},
    Role.UNSEEN: {"key_unseen": 0.55, "test_unseen": 0.25, "val_unseen": 0.2},
    Role.HELDOUT: {"other_heldout": 1.0},
}


def assign_roles(genus: np.ndarray, unlabelled: float, rng: np.random.Generator) -> np.ndarray:
    """A `Role` for each species, given the `genus` of each: both `(species,)`."""
    labelled = rng.random(len(genus)) >= unlabelled
    seen = labelled & (rng.random(len(genus)) < _SEEN_SHARE)
    known = np.isin(genus, genus[seen])
    return np.select(
        [seen, labelled & known, labelled], [Role.SEEN, Role.UNSEEN, Role.HELDOUT], Role.UNLABELLED
    )


def assign_splits(
    species: np.ndarray, barcodes: np.ndarray, roles: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The split of each barcode `(n,)`: given are its species (sorted) and nucleotides (n, 658)."""
    padded = np.zeros((len(barcodes), 8 * len(_HASH)), dtype=np.uint8)
    padded[:, : barcodes.shape[1]] = barcodes
    hashes = padded.view(np.uint64) @ _HASH  # wraps around
    order = np.lexsort((hashes, species))
    changes = np.diff(species[order], prepend=-1).astype(bool)
    changes |= np.diff(hashes[order], prepend=hashes[order][:1]).astype(bool)
    haplotype = np.empty(len(order), dtype=np.int64)
    haplotype[order] = np.cumsum(changes) - 1
    chance = rng.random(len(order))
    chance[haplotype[np.flatnonzero(np.diff(species, prepend=-1))]] = 0
    splits = np.empty(len(species), dtype=object)
    for role, shares in SPLITS.items():
        rows = np.flatnonzero(roles[species] == role)
        bounds = np.cumsum(list(shares.values()))[:-1]
        names = np.array(list(shares), dtype=object)
        splits[rows] = names[np.searchsorted(bounds, chance[haplotype[rows]], side="right")]
    return splits
