import numpy as np
import pytest

from barcodemae.encoders.tokens import grid_ids
from barcodemae.errors import BarcodeMAEError
from train.contrast.collator import ContrastCollator
from train.contrast.substitutions import Substitutions
from train.contrast.views import Views, gathered

UNKNOWN = 64  # k = 3


@pytest.fixture
def codes():
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 4, (40, 60)).astype(np.uint8)
    codes[3, 10:14] = 4
    return codes


def test_a_view_follows_from_its_draw_alone(codes):
    views = Views(3, seed=1, window_share=0.5, window_between=(20, 40), drop=0.5, noise=0.1)
    draws = np.arange(40)
    together = views(draws, codes)
    for row in (0, 7, 39):
        assert np.array_equal(views(draws[row : row + 1], codes[row : row + 1])[0], together[row])
    assert not np.array_equal(views(draws + 40, codes), together)
    assert not np.array_equal(Views(**{**vars(views), "seed": 2})(draws, codes), together)


def test_windows_are_contiguous_and_of_the_lengths_asked(codes):
    shown = Views(3, seed=0, window_share=1.0, window_between=(15, 30))(np.arange(40), codes)
    ids = grid_ids(codes, 3)
    lengths = set()
    for row in np.delete(np.arange(40), 3):
        places = np.flatnonzero(shown[row] != UNKNOWN)
        assert np.array_equal(places, np.arange(places[0], places[-1] + 1))
        assert np.array_equal(shown[row, places], ids[row, places])
        lengths.add(len(places))
    # 15 to 30 nucleotides hold 4 to 10 whole k-mers, as the frame falls.
    assert min(lengths) >= 4 and max(lengths) <= 10 and len(lengths) > 3
    half = Views(3, seed=0, window_share=0.5, window_between=(15, 30))(np.arange(40), codes)
    whole = (half == ids).all(axis=1).sum()
    assert 10 <= whole <= 30


def test_drop_and_noise_have_the_shares_asked():
    codes = np.zeros((2000, 60), dtype=np.uint8)
    shown = Views(3, seed=0, drop=0.4)(np.arange(2000), codes)
    shares = (shown == UNKNOWN).mean(axis=1)
    assert shares.mean() == pytest.approx(0.2, abs=0.02)
    assert np.quantile(shares, 0.99) <= 0.65
    noisy = Views(3, seed=0, noise=0.1)(np.arange(2000), codes)
    # A k-mer is hit if any of three nucleotides is drawn anew, to another letter in 3 of 4 cases.
    assert (noisy != 0).mean() == pytest.approx(0.205, abs=0.02)
    assert (noisy < UNKNOWN).all()


def test_something_is_always_shown(codes):
    shown = Views(3, seed=0, drop=0.999)(np.arange(40), codes)
    assert (shown != UNKNOWN).any(axis=1).all()


def test_gathering_keeps_what_is_known_with_its_places(codes):
    ids = Views(3, seed=0, drop=0.9)(np.arange(40), codes)
    front, places, known = gathered(ids, UNKNOWN)
    back = np.full_like(ids, UNKNOWN)
    for row in range(40):
        back[row, places[row, known[row]]] = front[row, known[row]]
    assert np.array_equal(back, ids)
    assert front.shape[1] == (ids != UNKNOWN).sum(axis=1).max()


def test_the_collator_sorts_views_with_their_taxa(codes):
    views = Views(3, seed=0, window_share=0.5, window_between=(15, 30))
    items = [(row, codes[row], np.array([row // 2, row, row % 2]), True) for row in range(8)]
    batch = ContrastCollator(views, None)(items)
    lengths = [part["attention_mask"].sum(1) for part in batch["views"]]
    assert lengths[0].max() <= lengths[1].min() and batch["anchors"].tolist() == [8, 0, 8]
    taxa = batch["taxa"].tolist()
    assert sorted(taxa) == [0, 0, 1, 1, 2, 2, 3, 3] and taxa != sorted(taxa)
    whole = grid_ids(codes[:8], 3)
    for at, species in enumerate(batch["species"].tolist()):
        part, row = batch["views"][at // 4], at % 4
        known = part["attention_mask"][row]
        places = part["position_ids"][row][known]
        assert np.array_equal(part["input_ids"][row][known], whole[species, places])


def test_views_evolve_by_what_sets_species_apart(codes):
    counts = np.zeros((60, 4, 4))
    counts[:, range(4), range(4)] = 90
    counts[5, 0, 2] = counts[5, 1, 3] = 90  # at place 5 alone: A with G and C with T, half the time
    found = Substitutions(counts)
    assert found.rates[5] == pytest.approx([1 / 3] * 4, abs=0.03) and found.rates[6].max() < 0.02
    given = np.tile(codes[3], (4000, 1))
    given[:, 5] = 0
    views = Views(3, seed=0, evolve=1.0, substitutions=found)
    shown = views(np.arange(4000), given)
    changed = shown != grid_ids(given, 3)
    # 7 of 10 views, half as strong on average; nearly all at place 5, and there to G.
    assert changed[:, 1].mean() == pytest.approx(0.7 * 0.5 / 3, abs=0.02)
    assert np.delete(changed, 1, axis=1).mean() < 0.01
    to_g = grid_ids(np.where(np.arange(60) == 5, 2, given[:1]), 3)[0, 1]
    assert (shown[changed[:, 1], 1] == to_g).mean() > 0.9
    assert np.array_equal(views(np.arange(7, 8), given[:1])[0], shown[7])


def test_substitutions_are_counted_between_species_of_a_taxon():
    codes = np.array([[0, 1, 4], [0, 2, 3], [0, 1, 3], [3, 3, 3]], dtype=np.uint8)
    members = [np.array([0, 1, 2]), np.array([3])]
    found = Substitutions.between_species(codes, members, np.array([0, 1, 0, 2]), seed=0)
    # Rows 0 and 2 are of one species and make no pair; those of different ones differ at place 1.
    assert found.rates[0, 0] < 0.01 and found.rates[1, 1] > 0.9 and found.rates[2, 3] < 0.01
    assert found.targets[1, 1] == pytest.approx([0, 0, 1, 1], abs=0.01)
    with pytest.raises(BarcodeMAEError, match="no taxon of the data has barcodes of two species"):
        Substitutions.between_species(codes, members, np.array([0, 0, 0, 2]), seed=0)
