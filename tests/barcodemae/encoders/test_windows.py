import numpy as np
import pytest

from barcodemae.encoders.windows import cut, merge


@pytest.mark.parametrize("length", [0, 5, 100, 101, 180, 181, 1000])
def test_windows_cover_a_sequence_and_overlap(length):
    sequence = "".join(np.random.default_rng(0).choice(list("ACGT"), length))
    parts, rows = cut(["AC", sequence], longest=100, overlap=20)
    assert parts[0] == "AC" and rows[0] == 0 and set(rows[1:]) == {1}
    assert max(map(len, parts)) <= 100
    joined = parts[1]
    for part in parts[2:]:
        shared = max(n for n in range(len(part) + 1) if joined.endswith(part[:n]))
        assert shared >= 20
        joined += part[shared:]
    assert joined == sequence


def test_an_embedding_is_the_mean_over_nucleotides_of_windows():
    found = merge(np.array([[1.0], [2.0], [6.0]]), ["A", "AAA", "A"], np.array([0, 1, 1]))
    assert found.tolist() == [[1.0], [3.0]] and found.dtype == np.float32
