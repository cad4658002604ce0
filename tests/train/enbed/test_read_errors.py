import numpy as np
import pytest
from edit_tags import apply_tags

from barcodemae.checking.tags import DROP, INSERT, KEEP, REPLACE
from grid_barcodemae import UNKNOWN
from train.enbed.read_errors import DELETION, INSERTION, REAL_MIX, SUBSTITUTION, corrupt, mask


def barcode(seed=0):
    codes = np.random.default_rng(seed).integers(0, 4, 600).astype(np.uint8)
    codes[100:106] = 3
    codes[200:203] = UNKNOWN
    return codes


@pytest.mark.parametrize("seed", range(20))
def test_the_tags_undo_the_errors(seed):
    codes = barcode(seed)
    noisy, tags = corrupt(codes, np.random.default_rng(seed), 12)
    assert len(tags) == len(noisy) + 1 and (tags != KEEP).sum() >= 5
    np.testing.assert_array_equal(apply_tags(noisy, tags), codes)


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [(SUBSTITUTION, range(REPLACE, INSERT)), (INSERTION, [DROP]), (DELETION, range(INSERT, 10))],
)
def test_a_mix_of_one_kind_has_its_tags_alone(kind, allowed):
    _, tags = corrupt(barcode(), np.random.default_rng(0), 10, np.eye(3)[kind])
    assert set(tags[tags != KEEP].tolist()) <= set(allowed) and (tags != KEEP).any()


def test_kinds_come_in_their_shares():
    rng, counts = np.random.default_rng(0), np.zeros(10)
    for seed in range(100):
        counts += np.bincount(corrupt(barcode(seed), rng, 8, REAL_MIX)[1], minlength=10)
    kinds = np.array([counts[REPLACE:INSERT].sum(), counts[DROP], counts[INSERT:].sum()])
    np.testing.assert_allclose(kinds / kinds.sum(), REAL_MIX, atol=0.06)


def test_an_extra_or_lost_letter_of_a_run_is_tagged_on_its_first():
    rng = np.random.default_rng(0)
    for kind in (INSERTION, DELETION):
        for _ in range(50):
            noisy, tags = corrupt(barcode(), rng, 1, np.eye(3)[kind], in_runs=1.0)
            (at,) = np.flatnonzero(tags)
            letter = noisy[at] if kind == INSERTION else tags[at] - INSERT
            assert noisy[at - 1] != letter


def test_masked_nucleotides_are_unknown_and_come_back():
    codes = barcode()
    masked, tags = mask(codes, np.full(601, KEEP), np.random.default_rng(0), 0.3)
    assert 0.25 < (masked == UNKNOWN).mean() < 0.36
    np.testing.assert_array_equal(apply_tags(masked, tags), codes)
