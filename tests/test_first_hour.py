"""The notebook runs as it stands."""

import os
import shutil
import sys
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("sentence_transformers")
pytest.importorskip("umap")
PROJECT = Path(__file__).parent.parent
NOTEBOOK = PROJECT / "docs" / "first-hour.ipynb"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_notebook_runs(tmp_path, monkeypatch):
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", tools)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    shutil.copy(NOTEBOOK, tmp_path)
    notebook = nbformat.read(tmp_path / NOTEBOOK.name, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # made anew by whoever reads it
    client = nbclient.NotebookClient(
        notebook, timeout=800, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    said = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    )
    assert "Traceback" not in said and "barcodemae: " not in said, said
    assert "of the genera that training knew" in said and "three folds" in said
    for name in ("report.html", "verdicts.tsv", "calls.tsv", "embeddings.npz"):
        assert (tmp_path / name).stat().st_size > 0
