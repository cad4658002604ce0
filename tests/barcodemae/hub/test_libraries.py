"""Libraries as data sets of the Hub, through the Hub's own client."""

import numpy as np
import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.libraries import pull_library, push_library
from barcodemae.identification.library import Library
from barcodemae.identification.library_card import library_faults

from ..identification.conftest import library_folder, references_of, specimens  # noqa: F401
from .hub_server import Fault
from .test_push import hub  # noqa: F401

REPO = "tester/library"


@pytest.fixture
def pushed(hub, library_folder):  # noqa: F811
    assert "/commit/" in push_library(library_folder, REPO)
    return hub


def test_what_is_pushed_comes_back_as_it_was(pushed, library_folder, tmp_path):  # noqa: F811
    assert pushed.repositories[REPO].private
    (library_folder / "notes.txt").write_text("not for others")
    push_library(library_folder, REPO)
    (library_folder / "notes.txt").unlink()
    assert "notes.txt" not in pushed.files(REPO)
    card = pull_library(REPO, tmp_path / "pulled")
    here, there = Library(library_folder), Library(tmp_path / "pulled")
    assert card == here.card and there.table.equals(here.table)
    np.testing.assert_array_equal(np.asarray(there.vectors), np.asarray(here.vectors))
    assert library_faults(there) == []
    assert {path.name for path in tmp_path.iterdir()} == {"pulled"}


def test_a_pull_that_fails_leaves_what_was_there(pushed, library_folder, tmp_path):  # noqa: F811
    pull_library(REPO, tmp_path / "lib")
    before = (tmp_path / "lib" / "library.json").read_bytes()
    repository = pushed.repositories[REPO]
    files = pushed.files(REPO)
    for name, content, message in (
        ("calibration.json", b"{}", "damaged"),
        ("parts/0000.safetensors", files["parts/0000.safetensors"][:-8], "no whole library"),
        ("map.safetensors", b"", "no whole library|not as it was written"),
    ):
        repository.refs["main"] = repository.commit({**files, name: content})
        with pytest.raises(BarcodeMAEError, match=f"{REPO}.*({message})"):
            pull_library(REPO, tmp_path / "lib")
    assert (tmp_path / "lib" / "library.json").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"lib"}


def test_refusals_are_one_clear_error(hub, library_folder, tmp_path):  # noqa: F811
    with pytest.raises(BarcodeMAEError, match="nobody/nothing: cannot be downloaded"):
        pull_library("nobody/nothing", tmp_path / "lib")
    with pytest.raises(BarcodeMAEError, match="there is no library"):
        push_library(tmp_path, REPO)
    hub.faults.append(Fault("POST", "/api/repos/create", 403, times=9))
    with pytest.raises(BarcodeMAEError, match="the Hub did not take the library"):
        push_library(library_folder, REPO)
    assert REPO not in hub.repositories and not list(tmp_path.iterdir())
