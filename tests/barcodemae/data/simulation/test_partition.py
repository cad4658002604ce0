import numpy as np
import pytest

from barcodemae.data.simulation.partition import SPLITS, Role, assign_roles, assign_splits

GENUS = np.repeat(np.arange(100), 5)


@pytest.fixture(scope="module")
def roles():
    return assign_roles(GENUS, 0.5, np.random.default_rng(0))


def test_unseen_species_have_a_genus_that_train_knows(roles):
    known = set(GENUS[roles == Role.SEEN])
    assert set(GENUS[roles == Role.UNSEEN]) <= known
    assert not set(GENUS[roles == Role.HELDOUT]) & known


def test_every_role_occurs_and_the_unlabelled_share_is_kept(roles):
    assert set(roles) == set(Role)
    assert (roles == Role.UNLABELLED).mean() == pytest.approx(0.5, abs=0.07)
    for share in (0, 1):
        alike = assign_roles(GENUS, share, np.random.default_rng(0)) == Role.UNLABELLED
        assert alike.mean() == share


def test_splits_belong_to_the_role_and_keep_their_shares(roles):
    species = np.repeat(np.arange(500), 40)
    barcodes = np.random.default_rng(1).integers(0, 64, (len(species), 658), dtype=np.uint8)
    splits = assign_splits(species, barcodes, roles, np.random.default_rng(2))
    for role, shares in SPLITS.items():
        of_role = splits[roles[species] == role]
        for name, share in shares.items():
            assert (of_role == name).mean() == pytest.approx(share, abs=0.03)
        assert set(of_role) == set(shares)


def test_the_founder_of_a_species_is_a_reference(roles):
    species = np.arange(500)
    barcodes = np.zeros((500, 658), dtype=np.uint8)
    splits = assign_splits(species, barcodes, roles, np.random.default_rng(2))
    assert set(splits) == {"pretrain", "train", "key_unseen", "other_heldout"}


def test_identical_barcodes_of_a_species_stand_in_one_split(roles):
    species = np.repeat(np.arange(500), 40)
    rng = np.random.default_rng(3)
    barcodes = np.zeros((len(species), 658), dtype=np.uint8)
    barcodes[:, 7] = rng.integers(0, 4, len(species))  # four haplotypes for all species
    splits = assign_splits(species, barcodes, roles, rng)
    for one in np.flatnonzero(roles == Role.SEEN)[:50]:
        for haplotype in range(4):
            assert len(set(splits[(species == one) & (barcodes[:, 7] == haplotype)])) <= 1
    assert len(set(splits[roles[species] == Role.SEEN])) == 3
