import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from barcodemae.data.simulation.evolution import CodingProcess, to_nucleotides
from barcodemae.data.simulation.taxonomy import RANKS, Taxonomy, allocate, bins, grow, latin_name

TOTALS = (3, 8, 30, 160)


@pytest.fixture(scope="module")
def taxonomy():
    rng = np.random.default_rng(0)
    return grow(TOTALS, CodingProcess(rng), rng)


def test_as_many_taxa_as_asked(taxonomy):
    assert [len(np.unique(taxonomy.taxa[rank])) for rank in RANKS] == list(TOTALS)
    assert taxonomy.codons.shape == (TOTALS[-1], 220)


def test_taxa_are_nested(taxonomy):
    for above, rank in zip(RANKS, RANKS[1:], strict=False):
        pairs = set(zip(taxonomy.taxa[rank].tolist(), taxonomy.taxa[above].tolist(), strict=True))
        assert len(pairs) == len(np.unique(taxonomy.taxa[rank]))


def test_distances_are_those_of_real_coi(taxonomy):
    barcodes = to_nucleotides(taxonomy.codons)
    distance = np.stack([(barcodes != barcode).mean(axis=1) for barcode in barcodes])
    order, family, genus, _ = (
        taxonomy.taxa[rank][:, None] == taxonomy.taxa[rank] for rank in RANKS
    )
    other = ~np.eye(len(distance), dtype=bool)
    within_genus = distance[genus & other]
    within_family = distance[family & ~genus]
    within_order = distance[order & ~family]
    between_orders = distance[~order]
    assert 0.03 < np.quantile(within_genus, 0.1) < np.quantile(within_genus, 0.9) < 0.3
    medians = [np.median(d) for d in (within_genus, within_family, within_order, between_orders)]
    assert medians == sorted(medians) and medians[1] > 0.12 and medians[3] < 0.3
    # Not rigged: some genera are closer to one another than others are deep.
    assert within_family.min() < within_genus.max()


def test_a_taxon_can_be_alone_at_every_rank():
    rng = np.random.default_rng(0)
    alone = grow((1, 1, 1, 1), CodingProcess(rng), rng)
    assert alone.codons.shape == (1, 220)


@given(st.integers(1, 50), st.integers(0, 200), st.integers(0, 9))
def test_allocation_gives_everyone_something_and_no_more_than_there_is(parents, more, seed):
    shares = allocate(parents + more, parents, np.random.default_rng(seed))
    assert len(shares) == parents and shares.min() >= 1 and shares.sum() == parents + more


def test_clades_differ_in_size():
    shares = allocate(5000, 500, np.random.default_rng(0))
    assert shares.max() > 4 * shares.mean() and (shares == 1).any()


@pytest.mark.parametrize("total", [1, 6_400, 20_000])
def test_no_name_is_given_twice(total):
    assert len({latin_name("species", index, total) for index in range(total)}) == total


def test_bins_join_species_that_hardly_differ():
    codons = np.zeros((4, 220), dtype=np.uint8)
    codons[1, :10] = 1  # 10 of 658 nucleotides
    codons[2, :100] = 2
    taxonomy = Taxonomy(codons, {"genus": np.array([0, 0, 0, 1])})
    first, second, third, fourth = bins(taxonomy)
    assert first == second == "BOLD:AAA0001"
    assert len({first, third, fourth}) == 3


def test_bins_are_about_the_species(taxonomy):
    assert 0.8 * TOTALS[-1] < len(set(bins(taxonomy))) <= TOTALS[-1]
