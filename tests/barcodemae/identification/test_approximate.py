"""The approximate index finds what the exact search finds, says how much, and is never stale."""

import numpy as np
import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification import approximate, building
from barcodemae.identification.cosine import CosineSearch
from barcodemae.identification.library import Library
from barcodemae.identification.library_card import library_faults, summary
from barcodemae.identification.vectors import unit
from barcodemae.identification.verdicts import identify

pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, 16))
    return unit(np.repeat(centres, 50, axis=0) + 0.3 * rng.normal(size=(3000, 16))).astype("f2")


@pytest.fixture(scope="module")
def index(vectors, tmp_path_factory):
    path = tmp_path_factory.mktemp("index") / "index.faiss"
    told = approximate.build(vectors, path, say=lambda line: None)
    return approximate.Index(path, told), told


def test_it_finds_as_much_of_the_exact_search_as_it_says(vectors, index):
    opened, told = index
    assert told["recall"] >= approximate.RECALL and told["probes"] < told["lists"]
    queries = unit(vectors[::7].astype("f4") + 0.01)
    exact, cosines = CosineSearch(vectors).nearest(queries, 10)
    places, found = opened.nearest(queries, 10)
    hit = (exact[:, :, None] == places[:, None]).any(axis=2).mean()
    assert hit >= 0.97
    same = exact[:, 0] == places[:, 0]
    np.testing.assert_allclose(found[same, 0], cosines[same, 0], atol=2e-3)
    assert (np.diff(found, axis=1) <= 0).all()


def test_few_references_and_damaged_files_are_refused(vectors, tmp_path):
    path = tmp_path / "index.faiss"
    with pytest.raises(BarcodeMAEError, match="too few"):
        approximate.build(vectors[:60], path)
    path.write_bytes(b"no index")
    with pytest.raises(BarcodeMAEError, match="damaged"):
        approximate.Index(path, {"probes": 1})


def test_a_library_with_an_index_answers_as_without_and_loses_it_with_new_records(
    specimens, references_of, tmp_path
):
    folder = tmp_path / "lib"
    first = specimens[specimens["split"] == "train"]
    building.build(references_of(first), folder, "kmer:4", "none", progress=False)
    with pytest.raises(BarcodeMAEError, match="library index"):
        Library(folder, approximate=True)
    told = building.index(Library(folder), progress=False)
    assert any("approximate search" in line for line in summary(Library(folder).card))
    assert library_faults(Library(folder)) == []
    queries = specimens[specimens["split"] == "query"]
    words = queries["processid"].tolist(), queries["nucleotides"].tolist()
    exact = identify(Library(folder), *words).table
    found = identify(Library(folder, approximate=True), *words).table
    assert (exact["nearest_id"] == found["nearest_id"]).mean() >= told["recall"] - 0.05
    building.add(Library(folder), references_of(queries), progress=False)
    assert "index" not in Library(folder).card and not (folder / approximate.FILE).exists()
