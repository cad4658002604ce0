"""What the README prints must run as printed."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from barcodemae import BarcodeMAEForMaskedLM
from barcodemae.cli import app
from barcodemae.data import write_simulated
from barcodemae.presets import preset_config

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
# The barcodes of the README's own snippet, which the shipped model finds on its grid.
FASTA = "".join(
    f">{name}\n{barcode}\n"
    for name, barcode in zip(
        "ab", re.findall(r'"([ACGT]{60,})"\n\s+"([ACGT]{60,})"', README), strict=True
    )
    for barcode in ["".join(barcode)]
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    directory = tmp_path_factory.mktemp("model")
    BarcodeMAEForMaskedLM(preset_config("barcodemae-tiny")).save_pretrained(directory)
    return directory


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_python_snippets_run(model, monkeypatch):
    monkeypatch.chdir(Path(__file__).parent.parent)  # the shipped model is named from there
    loading = [block for block in blocks("python") if "from_pretrained(" in block]
    embedding = []
    for block in loading:
        names = {"__name__": "snippet"}
        exec(block.replace("DIR_OR_HUB_ID", str(model)), names)
        if "embeddings" in names:
            embedding.append(names["embeddings"].shape)
    assert (2, 384) in map(tuple, embedding)


def test_the_embed_command_runs(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("queries.fasta").write_text(FASTA)
    commands = [
        line
        for block in blocks("bash")
        for line in block.splitlines()
        if line.startswith("barcodemae embed ")
    ]
    assert commands
    for command in commands:
        words = shlex.split(command.replace("DIR_OR_HUB_ID", str(model)), comments=True)
        result = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    assert Path("embeddings.parquet").exists()


@pytest.mark.slow
def test_the_evaluate_command_runs(model, tmp_path, monkeypatch):
    """On simulated barcodes, and a model where the README's pretraining leaves it."""
    pytest.importorskip("umap")
    if shutil.which("vsearch") is None:
        pytest.skip("no VSEARCH")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model, "runs/mine/best")
    sizes = {"orders": 2, "families": 4, "genera": 12, "species": 160, "barcodes": 4000}
    write_simulated("barcodes.csv", 0, progress=False, **sizes)
    text = "\n".join(blocks("bash")).replace("\\\n", " ")
    (command,) = [line for line in text.splitlines() if line.startswith("barcodemae evaluate ")]
    result = CliRunner().invoke(app, shlex.split(command)[1:], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert Path("evaluation/results.json").exists()


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_named_file_exists(page):
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (page.parent / path).exists(), path
    for preset in re.findall(r"train/configs/([\w-]+)\.yaml", text):
        assert (ROOT / "train" / "configs" / f"{preset}.yaml").exists()


def test_the_readme_is_read_in_five_minutes_and_leads_to_every_page():
    assert len(README.splitlines()) <= 150
    for page in PAGES[1:]:
        assert f"({page.relative_to(ROOT)})" in README, page.name
