import numpy as np
import pytest

from barcodemae.checking.tags import DROP, INSERT, KEEP, REPLACE, apply_tags


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([KEEP] * 4, [0, 1, 2]),
        ([KEEP, DROP, KEEP, KEEP], [0, 2]),
        ([REPLACE + 3, KEEP, KEEP, KEEP], [3, 1, 2]),
        ([KEEP, INSERT + 2, KEEP, INSERT + 3], [0, 2, 1, 2, 3]),
    ],
)
def test_what_a_tag_does(tags, expected):
    codes = np.array([0, 1, 2], dtype=np.uint8)
    assert apply_tags(codes, np.array(tags)).tolist() == expected
