import numpy as np

from barcodemae.encoders.corruption import Corruption

SEQUENCES = ["ACGT" * 30, "TTGCA" * 20, "ACCA"]
LENGTHS = [20, 16, 1]


def test_the_share_of_each_barcode_is_hidden_and_one_token_stays():
    hidden = Corruption("drop", 0.5, 0).hidden(SEQUENCES, LENGTHS)
    assert hidden.shape == (3, 20) and hidden.sum(axis=1).tolist() == [10, 8, 0]
    assert Corruption("drop", 0.99, 0).hidden(SEQUENCES, LENGTHS).sum(axis=1).tolist() == [
        19,
        15,
        0,
    ]
    assert not hidden[1, 16:].any()


def test_what_is_hidden_follows_from_seed_and_barcode_alone():
    corruption = Corruption("mask", 0.4, 3)
    together = corruption.hidden(SEQUENCES, LENGTHS)
    alone = corruption.hidden(SEQUENCES[1:2], LENGTHS[1:2])
    np.testing.assert_array_equal(together[1, :16], alone[0])
    other = Corruption("mask", 0.4, 4).hidden(SEQUENCES, LENGTHS)
    assert (together != other).any()


def test_a_larger_share_hides_what_a_smaller_one_hides():
    smaller, larger = (
        Corruption("drop", share, 0).hidden(SEQUENCES, LENGTHS) for share in (0.2, 0.6)
    )
    assert (larger | ~smaller).all() and larger.sum() > smaller.sum()
