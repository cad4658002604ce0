import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.directories import whole_directory


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


def test_a_fault_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), whole_directory(tmp_path / "exported") as folder:
        (folder / "file").write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "exported").mkdir()
    write(tmp_path / "exported")
    assert names(tmp_path) == ["exported"] and names(tmp_path / "exported") == ["within"]
