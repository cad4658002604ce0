import numpy as np
import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.lineages import IGNORED
from train.finetuning.sampling import BalancedSampler, TaxonSampler


def test_balanced_sampler_draws_taxa_equally_often():
    labels = np.array([0] * 900 + [1] * 90 + [2] * 10)
    sampler = BalancedSampler(labels, seed=0)
    first = list(sampler)
    counts = np.bincount(labels[first])
    assert len(first) == 1000 and counts.min() > 280
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first


def genera_and_species():
    """60 genera of 3 species with 30, 3 and 1 barcodes; the last genus has one barcode."""
    rows = [
        (genus, 3 * genus + species)
        for genus in range(60)
        for species, count in enumerate((30, 3, 1))
        for _ in range(count)
    ]
    rows += [(60, 180), (IGNORED, IGNORED)]
    return np.random.default_rng(0).permutation(rows)


def batches(sampler):
    return np.array(list(sampler)).reshape(-1, sampler.taxa, sampler.barcodes)


def test_batches_are_different_barcodes_of_different_taxa():
    labels = genera_and_species()
    sampler = TaxonSampler(labels, 0, taxa=8, barcodes=4, seed=0)
    found = batches(sampler)
    assert found.size == len(sampler) == 2041 // 32 * 32
    for batch in found:
        genera = labels[batch, 0]  # (taxa, barcodes)
        assert (genera == genera[:, :1]).all() and len(set(genera[:, 0])) == 8
        assert len(set(batch.ravel())) == 32
    drawn = labels[found[:, :, 0].ravel(), 0]
    assert {60, IGNORED}.isdisjoint(drawn)
    times = np.bincount(drawn, minlength=60)
    assert times.min() > 0 and times.mean() == pytest.approx(63 * 8 / 60)


def test_species_of_a_genus_are_drawn_about_equally_often():
    labels = genera_and_species()
    drawn = labels[list(TaxonSampler(labels, 0, taxa=8, barcodes=4, seed=0)), 1] % 3
    shares = np.bincount(drawn) / len(drawn)
    # Barcodes of a draw differ: the species with one barcode comes once in four at the most.
    assert 0.3 < shares[0] < 0.5 and 0.3 < shares[1] < 0.5 and 0.15 < shares[2] <= 0.25


def test_taxa_of_a_finer_rank_can_be_drawn():
    labels = genera_and_species()
    found = batches(TaxonSampler(labels, 1, taxa=16, barcodes=3, seed=0))
    species = labels[found, 1]
    assert (species == species[:, :, :1]).all() and set(np.unique(species % 3)) == {0, 1}


def test_draws_follow_from_seed_and_epoch():
    labels = genera_and_species()
    sampler = TaxonSampler(labels, 0, taxa=8, barcodes=4, seed=0)
    first = list(sampler)
    assert list(sampler) == first == list(TaxonSampler(labels, 0, 8, 4, seed=0))
    assert list(TaxonSampler(labels, 0, 8, 4, seed=1)) != first
    sampler.set_epoch(1)
    assert list(sampler) != first


def test_taxa_with_too_few_barcodes_are_told(caplog):
    labels = genera_and_species()
    TaxonSampler(labels, 0, taxa=8, barcodes=2, seed=0)
    assert "1 of 61 taxa have fewer than 2 training barcodes" in caplog.text
    single = np.arange(20)[:, None]
    with pytest.raises(BarcodeMAEError, match="only 0 of 20 taxa .*--barcodes_per_taxon"):
        TaxonSampler(single, 0, taxa=2, barcodes=2, seed=0)
    with pytest.raises(BarcodeMAEError, match="hold 61 taxa with 2 barcodes each, but only 60"):
        TaxonSampler(labels, 0, taxa=61, barcodes=2, seed=0)
