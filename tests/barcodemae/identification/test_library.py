import json

import numpy as np
import pandas as pd
import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification import building
from barcodemae.identification.batches import Wanted, open_library
from barcodemae.identification.library import CARD, Library
from barcodemae.identification.library_card import library_faults
from barcodemae.identification.verdicts import identify


def _small(references_of, table, folder, **options):
    card = building.build(references_of(table), folder, "kmer:4", progress=False, **options)
    return card, Library(folder)


def test_a_library_holds_the_records_and_says_so(library, specimens):
    assert len(library) == library.card["records"] == (specimens.split == "train").sum()
    assert (library.card["species"], library.card["genera"]) == (32, 16)
    assert library.vectors.dtype == np.float16
    np.testing.assert_allclose(
        np.linalg.norm(library.vectors.astype(np.float32), axis=1), 1, atol=2e-3
    )
    assert library_faults(library) == []


def test_the_order_of_references_changes_nothing(specimens, references_of, tmp_path):
    table = specimens[specimens.split == "train"]
    hashes = [
        _small(references_of, each, folder, inference="metric")[0]["hashes"]
        for each, folder in (
            (table, tmp_path / "one"),
            (table.sample(frac=1, random_state=0), tmp_path / "other"),
        )
    ]
    assert hashes[0] == hashes[1]


def test_a_changed_file_is_found(library_folder, specimens, references_of, tmp_path):
    _, library = _small(references_of, specimens[:20], tmp_path / "lib")
    path = tmp_path / "lib" / "calibration.json"
    path.write_text(path.read_text().replace("library", "Library").replace("package", "Package"))
    assert library_faults(library) == ["calibration.json is not as it was written"]


@pytest.mark.parametrize("name", ["parts/0000.safetensors", "parts/0000.parquet"])
def test_a_damaged_file_is_one_clear_error(references_of, specimens, tmp_path, name):
    _small(references_of, specimens[:20], tmp_path / "lib")
    (tmp_path / "lib" / name).write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(BarcodeMAEError, match="damaged"):
        Library(tmp_path / "lib")


def test_no_library_a_later_format_and_a_foreign_folder_are_refused(tmp_path, references_of):
    with pytest.raises(BarcodeMAEError, match="library build"):
        Library(tmp_path)
    (tmp_path / CARD).write_text(json.dumps({"format": 99}))
    with pytest.raises(BarcodeMAEError, match="format 99"):
        Library(tmp_path)
    (tmp_path / CARD).rename(tmp_path / "notes.json")
    with pytest.raises(BarcodeMAEError, match="holds other files"):
        building.check_folder(tmp_path)


def test_added_records_are_found_and_the_rest_is_not_written_anew(
    references_of, specimens, tmp_path
):
    folder = tmp_path / "lib"
    _, library = _small(references_of, specimens[specimens.family != "Familyh"], folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("0000.*")}
    more = specimens[specimens.family == "Familyh"]
    card = building.add(library, references_of(more), progress=False)
    library = Library(folder)
    assert len(library) == card["records"] == len(specimens)
    assert card["families"] == 8
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("0000.*")} == before
    assert library_faults(library) == []
    row = more.iloc[0]
    found = identify(library, ["q"], [row.nucleotides]).table.iloc[0]
    assert (found.nearest_id, found.nearest_species) == (row.processid, row.species)
    with pytest.raises(BarcodeMAEError, match="in the library already"):
        building.add(library, references_of(more), progress=False)
    # What is told of a library counts what was added, and what it makes of the rest.
    again = more.assign(processid="again" + more.processid, species=more.genus + " sp. 1")
    card = building.add(Library(folder), references_of(again), progress=False)
    assert (card["open_names"], card["barcodes_of_several_species"]) == (len(more), len(more))


def test_a_library_without_its_map_is_damaged(references_of, specimens, tmp_path):
    folder = tmp_path / "lib"
    _small(references_of, specimens, folder, inference="centre")
    (folder / "map.safetensors").unlink()
    with pytest.raises(BarcodeMAEError, match="the library is damaged"):
        Library(folder)


def test_a_changed_taxonomy_makes_another_library(specimens, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    rows = specimens[specimens.split == "train"]
    fasta, taxonomy = tmp_path / "refs.fasta", tmp_path / "taxa.tsv"
    texts = zip(rows.processid, rows.nucleotides, strict=True)
    fasta.write_text("".join(f">{name}\n{text}\n" for name, text in texts))
    wanted = Wanted(None, (str(fasta),), "kmer:3", "none", taxonomy=(str(taxonomy),))
    for genus in ("Aus", "Bus"):
        labels = "".join(f"{name}\tg__{genus}\n" for name in rows.processid)
        taxonomy.write_text("Feature ID\tTaxon\n" + labels)
        assert set(open_library(wanted).labels("genus", np.arange(2))) == {genus}


def test_a_copy_without_a_label_does_not_hide_the_one_that_has_it(
    references_of, specimens, tmp_path
):
    row = specimens.iloc[0]
    ranks = ["family", "genus", "species"]
    bare = {**row, "processid": "bare", **dict.fromkeys(ranks), "nucleotides": row.nucleotides[:-3]}
    table = pd.DataFrame([bare, dict(row), dict(specimens.iloc[40])])
    _, library = _small(references_of, table, tmp_path / "lib")
    found = identify(library, ["q"], [row.nucleotides]).table.iloc[0]
    assert found.nearest_species == row.species


def test_open_names_are_species_only_when_asked(references_of, specimens, tmp_path):
    table = specimens[:30].copy()
    table.loc[:4, "species"] = "Genusaa sp. BOLD:AAA1234"
    card, library = _small(references_of, table, tmp_path / "lib")
    assert card["open_names"] == 5
    query = table.iloc[0].nucleotides
    named = identify(library, ["q"], [query]).table.iloc[0]
    assert "sp." not in named.nearest_species and "sp." not in named.species
    asked = Library(tmp_path / "lib", open_names=True)
    assert identify(asked, ["q"], [query]).table.iloc[0].nearest_species.endswith("BOLD:AAA1234")


def test_nothing_usable_is_refused_and_leaves_no_folder(references_of, tmp_path):
    table = pd.DataFrame({"processid": ["a"], "genus": ["Aus"], "nucleotides": ["ACGT" * 100]})
    with pytest.raises(BarcodeMAEError, match="not on the COI grid"):
        _small(references_of, table, tmp_path / "lib")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("inference", ["centre", "whiten"])
def test_a_single_record_names_its_copies(inference, references_of, specimens, tmp_path):
    one = specimens[:1]
    building.build(references_of(one), tmp_path / "one", "kmer:4", inference, progress=False)
    found = identify(Library(tmp_path / "one"), ["q"], [one.nucleotides.iloc[0]]).table.iloc[0]
    assert found["verdict"] == "known species" and found["species"] == one.species.iloc[0]
