"""`barcodemae identify` and `barcodemae library`, as a user calls them."""

import pandas as pd
import pytest
from typer.testing import CliRunner

from barcodemae.cli import app
from barcodemae.errors import BarcodeMAEError
from coi import draw

RUN = CliRunner()


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Three references in a CSV, their barcodes as queries in a FASTA."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    barcodes = draw(3, seed=8)
    pd.DataFrame(
        {
            "id": list("abc"),
            "genus": ["Aus", "Bus", "Cus"],
            "species": ["Aus unus", "Bus duo", "Cus tres"],
            "nucleotides": barcodes,
        }
    ).to_csv(tmp_path / "references.csv", index=False)
    text = "".join(f">{name}\n{barcode}\n" for name, barcode in zip("xyz", barcodes, strict=True))
    (tmp_path / "queries.fasta").write_text(text)
    return tmp_path


def _run(*arguments):
    result = RUN.invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_library_is_built_checked_described_and_used(files):
    lib, out = files / "lib", files / "names.tsv"
    said = _run("library", "build", files / "references.csv", "-o", lib, "--model", "kmer:4")
    assert "3 references" in said and "references.csv: read as table" in said
    report = files / "errors.tsv"
    said = _run("library", "check", lib, "--report", report)
    assert "whole" in said and "2 clean" in said
    checked = pd.read_csv(report, sep="\t")
    assert len(checked) == 3 and "verdict" in checked
    assert "too few references with a species" in _run("library", "info", lib)
    said = _run("identify", files / "queries.fasta", "-l", lib, "-o", out)
    assert "3 known species" in said
    table = pd.read_csv(out, sep="\t")
    assert table["species"].tolist() == ["Aus unus", "Bus duo", "Cus tres"]
    said = _run("library", "build", files / "references.csv", "-o", lib, "--model", "kmer:4")
    assert "3 references, in place of the library that was there" in said


def test_references_without_labels_are_refused_with_the_remedy(files):
    lib = files / "lib"
    with pytest.raises(BarcodeMAEError, match="3 without any label.*after their ranks.*--taxonomy"):
        _run("library", "build", files / "queries.fasta", "-o", lib, "--model", "kmer:4")
    assert not lib.exists()


def test_files_of_references_are_built_once_and_kept(files, monkeypatch):
    arguments = ["identify", files / "queries.fasta", "--reference", files / "references.csv"]
    arguments += ["--model", "kmer:4", "-o", files / "names.tsv"]
    _run(*arguments)
    first = (files / "names.tsv").read_bytes()
    monkeypatch.setattr("barcodemae.identification.building.build", None)
    _run(*arguments)
    assert (files / "names.tsv").read_bytes() == first


def test_long_gives_a_row_for_each_rank(files, monkeypatch):
    arguments = ["identify", files / "queries.fasta", "--reference", files / "references.csv"]
    _run(*arguments, "--model", "kmer:4", "-o", files / "long.tsv", "--long")
    table = pd.read_csv(files / "long.tsv", sep="\t", dtype=str)
    assert table.loc[0].tolist()[:4] == ["x", "genus", "Aus", "1.0000"]
    assert len(table) == 6


def test_a_stopped_run_goes_on_and_processes_share_the_shards(files, monkeypatch):
    lib, out = files / "lib", files / "shards"
    _run("library", "build", files / "references.csv", "-o", lib, "--model", "kmer:4")
    arguments = ["identify", files / "queries.fasta", "-l", lib, "-o", out, "--shard-size", 1]
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    _run(*arguments)
    assert [path.name for path in sorted(out.glob("*.parquet"))] == ["part-00001-of-00003.parquet"]
    done = next(out.glob("*.parquet")).stat().st_mtime_ns
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    _run(*arguments)
    assert (out / "part-00001-of-00003.parquet").stat().st_mtime_ns == done
    assert pd.read_parquet(out)["id"].tolist() == list("xyz")
    with pytest.raises(BarcodeMAEError, match="target"):
        _run(*arguments, "--target", 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "names.doc"], "ending"),
        (["-o", "names.tsv"], "either --library"),
        (["-o", "names.tsv", "--reference", "references.csv", "--target", "2"], "--target"),
        (["-o", "names.tsv", "--reference", "references.csv", "--ranks", "tribe"], "no such rank"),
        (["-o", "names.tsv", "--reference", "references.csv", "--inference", "x"], "no inference"),
        (["-o", "names.tsv", "--library", "nowhere"], "there is no library"),
        (["-o", "names.tsv", "--library", "nowhere", "--target", "95"], "--target 95: give a prob"),
        (["-o", "names.tsv", "-l", "references.csv"], "a file and no library.*--reference refer"),
        (["-o", "names.tsv", "-l", "libary"], "Did you mean library[?] If not, build one: "),
    ],
)
def test_what_cannot_be_done_is_one_clear_error(files, monkeypatch, arguments, message):
    monkeypatch.chdir(files)
    for folder, holds in (("library", "library.json"), ("libari", "notes.txt")):
        (files / folder).mkdir()
        (files / folder / holds).touch()
    with pytest.raises(BarcodeMAEError, match=message):
        _run("identify", "queries.fasta", "--model", "kmer:4", *arguments)
    assert not (files / "names.tsv").exists()


def test_no_file_that_is_read_is_an_output(files):
    taxa = files / "taxa.tsv"
    taxa.write_text("id\ttaxon\na\tAnimalia;Arthropoda;Insecta\n")
    for read in (taxa, files / "references.csv"):
        with pytest.raises(BarcodeMAEError, match="is also an input"):
            arguments = ["--reference", files / "references.csv", "--taxonomy", taxa, "-o", read]
            _run("identify", files / "queries.fasta", *arguments)
    assert taxa.read_text().startswith("id\ttaxon")
