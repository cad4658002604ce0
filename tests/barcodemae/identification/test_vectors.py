import numpy as np
import pytest

from barcodemae.identification import vectors


def test_half_floats_are_widened_as_numpy_widens_them():
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)].reshape(-1, 64)
    for given in (finite, finite[::3], finite[:0], halves):
        found, expected = vectors.widened(given), given.astype(np.float32)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_other_numbers_are_taken_as_they_are(kind):
    given = np.linspace(-2, 2, 9, dtype=kind).reshape(3, 3)
    np.testing.assert_array_equal(vectors.widened(given), given.astype(np.float32))
