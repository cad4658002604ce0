import numpy as np

from barcodemae.encoders.corruption import Corruption

SEQUENCES = ["ACGT" * 30, "TTGCA" * 20, "ACCA"]
LENGTHS = [20, 16, 1]


def test_the_share_of_each_barcode_is_masked_and_one_token_stays():
    masked = Corruption("drop", 0.5, 0).masked(SEQUENCES, LENGTHS)
    assert masked.shape == (3, 20) and masked.sum(axis=1).tolist() == [10, 8, 0]
    assert Corruption("drop", 0.99, 0).masked(SEQUENCES, LENGTHS).sum(axis=1).tolist() == [
        19,
        15,
        0,
    ]
    assert not masked[1, 16:].any()


def test_what_is_masked_follows_from_seed_and_barcode_alone():
    corruption = Corruption("mask", 0.4, 3)
    together = corruption.masked(SEQUENCES, LENGTHS)
    alone = corruption.masked(SEQUENCES[1:2], LENGTHS[1:2])
    np.testing.assert_array_equal(together[1, :16], alone[0])
    other = Corruption("mask", 0.4, 4).masked(SEQUENCES, LENGTHS)
    assert (together != other).any()


def test_a_larger_share_masks_what_a_smaller_one_masks():
    smaller, larger = (
        Corruption("drop", share, 0).masked(SEQUENCES, LENGTHS) for share in (0.2, 0.6)
    )
    assert (larger | ~smaller).all() and larger.sum() > smaller.sum()
