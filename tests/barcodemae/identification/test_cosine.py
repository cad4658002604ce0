import numpy as np
import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification import cosine
from barcodemae.identification.cosine import CosineSearch
from barcodemae.identification.search import nearest_first
from barcodemae.identification.vectors import unit

COUNT = 20


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """3,000 in groups, some of them thrice, of falling variance by dimension as a metric's are."""
    rng = np.random.default_rng(0)
    scale = np.linspace(1, 0.1, 64)
    groups = rng.normal(size=(60, 64)) * scale
    drawn = groups[rng.integers(0, 60, 3000)] + 0.3 * rng.normal(size=(3000, 64)) * scale
    drawn[1000:1100] = drawn[2000:2100] = drawn[:100]
    return unit(drawn).astype(np.float16)


@pytest.fixture
def small_blocks(monkeypatch):
    for name, value in (
        ("_BLOCK", 16),
        ("_FIRST", 3),
        ("_QUERIES", 7),
        ("_READ", 64),
        ("_SPLIT", 9),
    ):
        monkeypatch.setattr(cosine, name, value)


def _by_hand(queries, vectors):
    scores = queries.astype(float) @ unit(vectors.astype(np.float32)).astype(float).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :COUNT]
    return order, np.take_along_axis(scores, order, axis=1)


def test_all_the_nearest_are_found_though_most_blocks_are_left_out(
    vectors, small_blocks, monkeypatch
):
    queries = unit(vectors[::31].astype(np.float32) + 0.02)
    search = CosineSearch(vectors)
    read, take = [], search._read
    monkeypatch.setattr(search, "_read", lambda places: read.append(places) or take(places))
    expected_places, expected = _by_hand(queries, vectors)
    places, cosines = search.nearest(queries, COUNT)
    np.testing.assert_allclose(cosines, expected, atol=1e-6)
    np.testing.assert_array_equal(places, expected_places)  # copies by their places
    read.clear()
    for query in queries:
        search.nearest(query[None], COUNT)
    assert sum(map(len, read)) < 0.5 * len(queries) * len(vectors)


def test_vectors_of_any_kind_are_searched_as_by_hand(small_blocks):
    """Copies, zeros, negatives, few dimensions, and numbers of references beside a block's."""
    for seed, (count, size) in enumerate([(20, 1), (33, 2), (48, 3), (97, 32), (160, 40)]):
        rng = np.random.default_rng(seed)
        drawn = rng.normal(size=(count, size)) * rng.choice([0.01, 1], size)
        drawn[rng.random(count) < 0.2] = drawn[0]
        drawn[rng.random(count) < 0.2] *= -1
        vectors = unit(drawn).astype(np.float16)
        queries = unit(np.concatenate([drawn[:8], rng.normal(size=(8, size)), [np.zeros(size)]]))
        places, _ = CosineSearch(vectors).nearest(queries, COUNT)
        scores = queries.astype(float) @ unit(vectors.astype(np.float32)).astype(float).T
        expected = (
            nearest_first(
                np.repeat(np.arange(len(queries)), count),
                np.tile(np.arange(count), len(queries)),
                scores.ravel().astype(np.float32),
            ).reshape(len(queries), count)[:, :COUNT]
            % count
        )
        np.testing.assert_array_equal(places, expected)


@pytest.mark.parametrize("held", [0, 1.2])
def test_what_is_found_depends_on_no_query_beside_and_on_no_limit_of_memory(
    vectors, small_blocks, monkeypatch, held
):
    queries = unit(vectors[::97].astype(np.float32) + 0.02)
    queries[3] = 0  # is as near to all of them
    together, _ = CosineSearch(vectors).nearest(queries, COUNT)
    monkeypatch.setattr(cosine, "_HELD", held)
    search = CosineSearch(vectors)
    np.testing.assert_array_equal(search.nearest(queries, COUNT)[0], together)
    for row, query in enumerate(queries):
        np.testing.assert_array_equal(search.nearest(query[None], COUNT)[0][0], together[row])
    np.testing.assert_array_equal(together[3], np.arange(COUNT))


def test_vectors_without_leading_directions_and_few_references_are_searched_as_well():
    rng = np.random.default_rng(1)
    vectors = unit(rng.normal(size=(700, 256))).astype(np.float16)
    queries = unit(rng.normal(size=(9, 256)).astype(np.float32))
    for some in (vectors, vectors[:COUNT]):
        places, _ = CosineSearch(some).nearest(queries, COUNT)
        np.testing.assert_array_equal(places, _by_hand(queries, some)[0])
    assert CosineSearch(vectors[:1]).nearest(queries, 1)[0].tolist() == [[0]] * 9


def test_a_vector_that_is_not_finite_is_refused_in_a_library_and_near_to_nothing_as_a_query(
    vectors,
):
    broken = vectors.copy()
    broken[7] = np.nan
    with pytest.raises(BarcodeMAEError, match="not finite"):
        CosineSearch(broken)
    assert (CosineSearch(vectors).nearest(broken[7:8].astype(np.float32), COUNT)[1] == 0).all()
