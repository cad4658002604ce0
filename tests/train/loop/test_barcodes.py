import pickle

import datasets
import numpy as np
import pytest

from train.loop.barcodes import Draws, ShareOfDraws, hold_out


def table(count):
    return datasets.Dataset.from_dict({"nucleotides": [f"ACGT{row}" for row in range(count)]})


def test_each_epoch_reads_every_barcode_once_in_another_order():
    draws = Draws(table(10), np.arange(2, 9), seed=3)
    epochs = [[draws[epoch * 7 + place][1] for place in range(7)] for epoch in range(3)]
    for epoch in epochs:
        assert sorted(epoch) == [f"ACGT{row}" for row in range(2, 9)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert draws[9] == (9, epochs[1][2])


def test_without_a_seed_the_order_stays():
    assert [Draws(table(3), np.array([2, 0]), None)[d][1] for d in range(4)] == [
        "ACGT2",
        "ACGT0",
        "ACGT2",
        "ACGT0",
    ]


def test_draws_travel_to_worker_processes():
    draws = Draws(table(5), np.arange(5), seed=1)
    assert pickle.loads(pickle.dumps(draws))[7] == draws[7]


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_share_the_same_global_batches(processes):
    shares = [
        list(ShareOfDraws(range(3, 6), 8 // processes, rank, processes))
        for rank in range(processes)
    ]
    for number, parts in enumerate(zip(*shares, strict=True)):
        assert sum(parts, []) == list(range((3 + number) * 8, (4 + number) * 8))


def test_hold_out_is_seeded_and_keeps_the_two_apart():
    training, validation = hold_out(1000, 0.05, seed=1)
    assert len(validation) == 50
    assert sorted([*training, *validation]) == list(range(1000))
    assert np.array_equal(hold_out(1000, 0.05, seed=1)[1], validation)
    assert not np.array_equal(hold_out(1000, 0.05, seed=2)[1], validation)
    assert len(hold_out(10, 0.01, seed=1)[1]) == 1
