import numpy as np

from train.finetuning.sampling import BalancedSampler


def test_balanced_sampler_draws_taxa_equally_often():
    labels = np.array([0] * 900 + [1] * 90 + [2] * 10)
    sampler = BalancedSampler(labels, seed=0)
    first = list(sampler)
    counts = np.bincount(labels[first])
    assert len(first) == 1000 and counts.min() > 280
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
