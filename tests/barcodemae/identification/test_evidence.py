"""What is said of the surroundings of the nearest reference, against counts by hand."""

import numpy as np
import pytest

from barcodemae.identification import bits
from barcodemae.identification.evidence import FEATURES, Surroundings, Taxa, weigh
from barcodemae.identification.search import compared

RANKS = ("phylum", "class", "order", "family", "genus", "species")


def _changed(codes: np.ndarray, sites: slice) -> np.ndarray:
    changed = codes.copy()
    changed[sites] = (changed[sites] + 1) % 4
    return changed


@pytest.fixture
def made():
    """Two records of species 0, which differ at 6 sites; one of species 1, 60 sites from the first;
    a query 3 sites from the first, all of these in the front half but 40 of the 60."""
    first = np.random.default_rng(0).integers(0, 4, bits.SITES).astype(np.uint8)
    second = _changed(first, slice(10, 16))
    other = _changed(_changed(first, slice(30, 50)), slice(500, 540))
    names = {rank: np.array(["a", "b"], dtype=object) for rank in RANKS}
    taxa = Taxa(names, {rank: np.array([0, 0, 1], dtype=np.int32) for rank in RANKS})
    return _changed(first, slice(100, 103)), np.stack([first, second, other]), taxa


@pytest.mark.parametrize(("sites", "apart"), [(658, 60), (400, 20)])
def test_distances_around_the_nearest_reference_count_the_querys_sites(made, sites, apart):
    query, references, taxa = made
    query[sites:] = 4
    planes, theirs = bits.pack(query[None]), bits.pack(references)
    places = np.array([[0, 1, 2]])
    candidates = compared(planes, theirs, places, np.array([[0.9, 0.8, 0.7]]))
    found = weigh(candidates, taxa, "species", Surroundings(candidates, planes, theirs))
    features = dict(zip(FEATURES, found.features[0].tolist(), strict=True))
    assert (found.taxon[0], found.runner_up[0]) == (0, 1)
    assert features["isolation"] == pytest.approx(apart / sites)
    assert features["spread"] == pytest.approx(6 / sites)
    share = 3 / sites
    assert features["nearness"] == pytest.approx(share / (share + apart / sites + 1e-3), abs=1e-6)
    assert features["excess"] == pytest.approx(share - 6 / sites, abs=1e-6)


def test_a_reference_without_others_is_remote_and_alone(made):
    query, references, taxa = made
    planes, theirs = bits.pack(query[None]), bits.pack(references)
    candidates = compared(planes, theirs, np.array([[0, -1, -1]]), np.array([[0.9, 0.0, 0.0]]))
    found = weigh(candidates, taxa, "species", Surroundings(candidates, planes, theirs))
    features = dict(zip(FEATURES, found.features[0].tolist(), strict=True))
    assert features["isolation"] == pytest.approx(0.3)
    assert features["spread"] == pytest.approx(-0.01)
    assert features["excess"] == pytest.approx(3 / 658, abs=1e-6)


def test_surroundings_of_another_candidate_are_compared_anew_where_it_is_another(made):
    query, references, _ = made
    planes, theirs = bits.pack(np.stack([query, query])), bits.pack(references)
    candidates = compared(
        planes, theirs, np.array([[0, 1, 2]] * 2), np.array([[0.9, 0.8, 0.7]] * 2)
    )
    around = Surroundings(candidates, planes, theirs)
    for column in ([0, 0], [0, 2], [1, 2]):
        apart, compare = around.of(np.array(column))
        assert compare.all()
        by_hand = (references[column][:, None] != references[None]).mean(axis=2)
        np.testing.assert_allclose(apart, by_hand)
