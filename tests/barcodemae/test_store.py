import numpy as np
import pytest

from barcodemae.outputs import write_whole
from barcodemae.store import Store, content_key


def fail():
    raise AssertionError("computed again")


def test_what_was_computed_is_not_computed_again(tmp_path):
    Store(tmp_path).arrays("a", lambda: {"x": np.arange(3)})
    Store(tmp_path).values("v", lambda: {"labels": ["Apis"]})
    assert Store(tmp_path).arrays("a", fail)["x"].tolist() == [0, 1, 2]
    assert Store(tmp_path).values("v", fail) == {"labels": ["Apis"]}


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file", b"{"])
def test_a_damaged_file_is_computed_again(tmp_path, damage):
    (tmp_path / "a.npz").write_bytes(damage)
    (tmp_path / "v.json").write_bytes(damage)
    assert Store(tmp_path).arrays("a", lambda: {"x": np.ones(2)})["x"].sum() == 2
    assert Store(tmp_path).values("v", lambda: [1]) == [1]
    assert Store(tmp_path).arrays("a", fail)["x"].sum() == 2


def test_pickles_are_never_read(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{"a": 1}], dtype=object))
    assert Store(tmp_path).arrays("a", lambda: {"x": np.ones(1)})["x"][0] == 1


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("old")

    def half(partial):
        partial.write_text("ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, half)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_keys_tell_contents_apart():
    assert content_key(a=1, b=2) == content_key(b=2, a=1) != content_key(a=1, b=3)
