import pytest

from barcodemae.directories import recover, whole_directory
from barcodemae.errors import BarcodeMAEError


def write(output, text="content"):
    with whole_directory(output) as folder:
        (folder / "within").mkdir()
        (folder / "within" / "file").write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_second_start_is_refused_and_does_no_harm(tmp_path):
    output = tmp_path / "exported"
    with whole_directory(output) as folder:
        (folder / "file").write_text("first")
        with pytest.raises(BarcodeMAEError, match="exported: another process is writing it"):
            write(output)
    assert names(tmp_path) == ["exported"] and (output / "file").read_text() == "first"
    with pytest.raises(BarcodeMAEError, match="exists and is not empty"):
        write(output)
    assert names(output) == ["file"]


def test_what_a_killed_one_left_is_removed(tmp_path):
    left = tmp_path / ".exported.tmp"
    (left / "deep").mkdir(parents=True)
    (left / "deep" / "model.safetensors").write_text("half")
    (left / "config.json").write_text("half")
    write(tmp_path / "exported")
    assert names(tmp_path) == ["exported"] and names(tmp_path / "exported") == ["within"]


def test_a_directory_is_replaced_where_it_may_be(tmp_path):
    write(tmp_path / "library", "old")
    with whole_directory(tmp_path / "library", replace=True) as folder:
        (folder / "file").write_text("new")
        assert (tmp_path / "library" / "within" / "file").read_text() == "old"
    assert names(tmp_path) == ["library"] and names(tmp_path / "library") == ["file"]


def test_a_replacement_killed_half_way_is_undone(tmp_path):
    """Between the renaming of the old one and that of the new one."""
    write(tmp_path / ".library.old", "old")
    (tmp_path / ".library.tmp").mkdir()
    with (
        pytest.raises(KeyboardInterrupt),
        whole_directory(tmp_path / "library", replace=True),
    ):
        raise KeyboardInterrupt
    assert names(tmp_path) == ["library"]
    assert (tmp_path / "library" / "within" / "file").read_text() == "old"


def test_a_replacement_that_nobody_goes_on_with_is_undone(tmp_path):
    write(tmp_path / ".best.old", "old")
    (tmp_path / ".best.tmp").mkdir()
    recover(tmp_path / "best")
    write(tmp_path / ".best.old", "older")
    recover(tmp_path / "best")
    assert names(tmp_path) == ["best"]
    assert (tmp_path / "best" / "within" / "file").read_text() == "old"


def test_a_fault_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole_directory(tmp_path / "exported") as folder:
        (folder / "file").write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "exported").mkdir()
    write(tmp_path / "exported")
    assert names(tmp_path) == ["exported"] and names(tmp_path / "exported") == ["within"]
