"""What the command line imports before it does any work: seconds that a word of help need not take.

`-X importtime` writes a line for each module that is imported.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from barcodemae.cli import app
from coi import draw

PROJECT = Path(__file__).parents[3]


def run(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--help"], 0, "classify"),
        (["evaluate", "--help"], 0, "--merge"),
        (["embed", "queries.fasta"], 2, "Missing option"),
        (["classfy"], 2, "No such command"),
    ],
)
def test_help_and_wrong_arguments_wait_for_no_library(arguments, status, said):
    result = run("-X", "importtime", "-m", "barcodemae", *arguments)
    assert result.returncode == status
    assert said in (result.stderr if status else result.stdout)
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"torch", "transformers", "pandas", "sklearn", "matplotlib", "datasets"}


def test_help_fits_into_80_columns_and_is_not_cut():
    def pages(command, words):
        yield CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80"}).output
        for name, each in getattr(command, "commands", {}).items():
            yield from pages(each, [*words, name])

    texts = list(pages(typer.main.get_command(app), []))
    lines = [line for text in texts for line in text.splitlines() if "Usage:" not in line]
    assert len(texts) > 20
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line.endswith(("...", "…"))]


def test_there_is_no_other_attribute():
    import barcodemae

    with pytest.raises(AttributeError, match="no attribute 'BarcodeMAEForEverything'"):
        barcodemae.BarcodeMAEForEverything  # noqa: B018


def test_identify_by_sites_imports_neither_torch_nor_transformers(tmp_path):
    barcodes = draw(3, seed=8)
    rows = [f"{name},Aus {name},{text}" for name, text in zip("abc", barcodes, strict=True)]
    (tmp_path / "r.csv").write_text("\n".join(["id,species,nucleotides", *rows]))
    (tmp_path / "q.fasta").write_text(f">x\n{barcodes[0]}\n")
    built = ["library", "build", str(tmp_path / "r.csv"), "-o", str(tmp_path / "lib")]
    assert CliRunner().invoke(app, [*built, "--inference", "centre"]).exit_code == 0
    queries = ["identify", str(tmp_path / "q.fasta"), "-l", str(tmp_path / "lib")]
    output = ["-o", str(tmp_path / "o.tsv")]
    result = run("-X", "importtime", "-m", "barcodemae", *queries, *output)
    assert result.returncode == 0, result.stderr[-2000:]
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "pandas" in imported
    assert not imported & {"torch", "transformers", "sklearn", "scipy", "matplotlib"}
