import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from barcodemae.data.repeats import Seen, hash_values


@given(st.lists(st.lists(st.integers(0, 30), max_size=20), max_size=8))
def test_seen_agrees_with_a_set(batches):
    seen, known = Seen(), set()
    for batch in batches:
        expected = []
        for value in batch:
            expected.append(value not in known)
            known.add(value)
        assert seen.first(np.array(batch, dtype=np.uint64)).tolist() == expected


@given(st.lists(st.text("ACGT", max_size=6)))
def test_equal_values_and_no_others_share_a_hash(values):
    hashes = hash_values(pa.array(values, pa.string()))
    assert len(set(hashes.tolist())) == len(set(values))


def test_hashes_of_a_slice_are_those_of_its_values():
    values = pa.array(["ACGT", "TTT", "GG"])
    assert hash_values(values)[1:].tolist() == hash_values(values.slice(1)).tolist()
