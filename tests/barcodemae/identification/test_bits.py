import numpy as np

from barcodemae.identification import bits


def _codes(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 5, (number, bits.SITES)).astype(np.uint8)


def test_codes_come_back_from_bits():
    codes = _codes(7)
    assert (bits.unpack(bits.pack(codes)) == codes).all()


def test_equal_nucleotides_and_common_sites_are_those_counted_one_by_one():
    queries, references = _codes(3), _codes(5)
    places = np.array([[0, 4], [2, -1], [1, 3]])
    equal, common = bits.compare_at(bits.pack(queries), bits.pack(references), places)
    for row, at in np.argwhere(places >= 0):
        query, reference = queries[row], references[places[row, at]]
        both = (query < 4) & (reference < 4)
        assert common[row, at] == both.sum()
        assert equal[row, at] == (both & (query == reference)).sum()
    assert equal[1, 1] == common[1, 1] == 0


def test_a_mask_leaves_nothing_known_outside_the_window():
    codes = _codes(4)
    window = np.zeros(bits.SITES, dtype=bool)
    window[100:300] = True
    seen = bits.unpack(bits.masked(bits.pack(codes), window))
    assert (seen[:, window] == codes[:, window]).all()
    assert (seen[:, ~window] == 4).all()
