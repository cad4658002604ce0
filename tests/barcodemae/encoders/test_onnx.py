"""Models in ONNX Runtime, and the package where there is no PyTorch."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import coi
from barcodemae.data import simulate_barcodes
from barcodemae.encoders import load_encoder
from barcodemae.encoders.embedder import Embedder
from barcodemae.encoders.onnx import OnnxEmbedder
from barcodemae.encoders.shipped_models import shipped_model
from barcodemae.errors import BarcodeMAEError

pytest.importorskip("onnxruntime")
PROJECT = Path(__file__).resolve().parents[3]
WITHOUT_TORCH = """
import sys
from importlib.machinery import PathFinder

# What the whole installation asks for, and the small one does not.
HIDDEN = ("torch", "transformers", "accelerate", "evaluate", "matplotlib", "onnx")

class Hidden(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            return None
        return super().find_spec(name, path, target)

sys.meta_path = [Hidden if finder is PathFinder else finder for finder in sys.meta_path]
sys.argv = ["barcodemae"]
from barcodemae.cli import app, main
for words in COMMANDS:
    app(words, standalone_mode=False)
sys.argv = ["barcodemae", "export", "somewhere", "-o", "elsewhere"]
main()
"""


def test_the_shipped_graph_embeds_as_pytorch_does():
    barcodes = [*coi.draw(3), coi.draw(1)[0][:300], coi.turned(coi.draw(1)[0]), coi.noise(400)]
    found = load_encoder("onnx:").embed(barcodes)
    expected = Embedder.from_pretrained(shipped_model(), "cpu").embed(barcodes)
    np.testing.assert_allclose(found, expected, atol=1e-4, err_msg="other weights? `make graph`")
    assert not found[-1].any() and found[:-1].any(axis=1).all()


def test_what_is_no_graph_is_said(tmp_path):
    with pytest.raises(BarcodeMAEError, match="no ONNX graph.*export CHECKPOINT"):
        OnnxEmbedder(tmp_path)
    shutil.copytree(shipped_model(), tmp_path / "model")
    (tmp_path / "model/graph.onnx").write_bytes(b"no graph")
    with pytest.raises(BarcodeMAEError, match=r"graph\.onnx: is no ONNX graph"):
        OnnxEmbedder(tmp_path / "model")
    config = json.loads((tmp_path / "model/config.json").read_text())
    (tmp_path / "model/config.json").write_text(json.dumps({**config, "model_type": "enbed"}))
    with pytest.raises(BarcodeMAEError, match="BarcodeMAE alone"):
        OnnxEmbedder(tmp_path / "model")


def test_without_torch_it_embeds_builds_a_library_and_identifies(tmp_path):
    barcodes = coi.draw(12)
    genera = [f"Genus{number // 3}" for number in range(12)]
    table = pd.DataFrame({"processid": [f"r{n}" for n in range(12)], "nucleotides": barcodes})
    table["genus"] = genera
    table["species"] = [f"{genus} alba" for genus in genera]
    table.to_csv(tmp_path / "references.csv", index=False)
    lost = barcodes[5][:300] + barcodes[5][301:]  # what `check` looks at, and flags
    queries = {"one": barcodes[4], "back": coi.turned(barcodes[7]), "lost": lost}
    (tmp_path / "q.fasta").write_text("".join(f">{n}\n{b}\n" for n, b in queries.items()))
    commands = [
        ["embed", "q.fasta", "-o", "q.npz"],
        ["library", "build", "references.csv", "-o", "library"],
        ["identify", "q.fasta", "-l", "library", "-o", "out.tsv", "--report", "out.html"],
    ]
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH.replace("COMMANDS", repr(commands))],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2, run.stderr[-2000:]  # by the last command alone
    said = run.stderr.strip().splitlines()
    assert "which is not installed here" in said[-2] and "pip install barcodemae" in said[-1]
    expected = Embedder.from_pretrained(shipped_model(), "cpu").embed([barcodes[4]])
    np.testing.assert_allclose(np.load(tmp_path / "q.npz")["embeddings"][:1], expected, atol=1e-4)
    answers = pd.read_csv(tmp_path / "out.tsv", sep="\t")
    assert answers["nearest_id"].tolist() == ["r4", "r7", "r5"]
    assert "deletion suspected" in answers["flags"][2]
    assert (tmp_path / "out.html").exists()


def test_the_small_installation_asks_for_what_the_whole_one_asks_for():
    """All but torch and what trains, evaluates and draws; nothing that the whole one lacks."""
    whole, small = (
        tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        for folder in (PROJECT, PROJECT / "lite")
    )
    assert small["version"] == whole["version"]
    allowed = {*whole["dependencies"], *whole["optional-dependencies"]["onnx"]}
    assert set(small["dependencies"]) <= allowed
    assert not any(line.startswith(("torch", "transformers")) for line in small["dependencies"])


def test_threads_that_take_a_batch_each_give_what_one_thread_gives(monkeypatch):
    barcodes = simulate_barcodes(3, barcodes=80, species=20, genera=20)["dna_barcode"].tolist()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    expected = OnnxEmbedder(shipped_model()).embed(barcodes, batch_size=8)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    found = OnnxEmbedder(shipped_model()).embed(barcodes, batch_size=8)
    np.testing.assert_array_equal(found, expected)
