import numpy as np

from barcodemae.identification import bits, search


def _codes(rng, count: int) -> np.ndarray:
    codes = rng.integers(0, 4, (count, bits.SITES)).astype(np.uint8)
    for row in codes:  # fragments, some of which have no site in common
        start, stop = sorted(rng.integers(0, bits.SITES, 2))
        row[:start], row[stop:] = 4, 4
    codes[rng.random(codes.shape) < 0.01] = 4
    return codes


def test_what_is_shared_is_what_sites_compared_one_by_one_say(monkeypatch):
    monkeypatch.setattr(search, "_REFERENCES", 7)  # several tiles, the last one not full
    rng = np.random.default_rng(0)
    queries, references = _codes(rng, 6), _codes(rng, 30)
    queries[4] = np.where(queries[1] < 4, queries[4] % 4, 4)  # the sites of another
    queries[5] = 4  # nothing at all
    known = (queries[:, None] < 4) & (references[None] < 4)
    same = (queries[:, None] == references[None]) & known
    expected = 2 * same.sum(axis=2) - known.sum(axis=2)
    expected[~known.any(axis=2)] = bits.NONE
    found = search.shared(bits.pack(queries), bits.pack(references))
    np.testing.assert_array_equal(found, expected)

    monkeypatch.setattr(search, "_SCORES", 64)  # two queries at a time
    monkeypatch.setattr(search, "_GROUP", 3)
    for count in (1, 4, 9, 10, 30):
        places = search.nearest_by_identity(bits.pack(queries), bits.pack(references), count)
        assert (places[5] == -1).all()
        for row in range(5):
            best = np.argsort(-expected[row], kind="stable")[:count]  # equal ones by their places
            shares = expected[row, best] > bits.NONE
            np.testing.assert_array_equal(places[row], np.where(shares, best, -1))


def test_pairs_are_in_order_by_row_cosine_and_of_equal_ones_by_place():
    rng = np.random.default_rng(0)
    for count in (0, 1, 2, 300):
        rows, places = rng.integers(0, 9, count), rng.permutation(count)
        cosines = (rng.integers(-4, 5, count) / 4).astype(np.float32)  # many are equal
        order = search.nearest_first(rows, places, cosines)
        np.testing.assert_array_equal(order, np.lexsort([places, -cosines, rows]))
