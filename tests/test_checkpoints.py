"""The model that comes with the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer
from typer.testing import CliRunner

import checkpoints
import coi
from barcodemae.cli import app
from barcodemae.encoders import load_encoder
from barcodemae.encoders.embedder import Embedder
from barcodemae.encoders.shipped_models import NAME, shipped_model
from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.card import render_card

if not (Path(checkpoints.__file__).parent / NAME).is_dir():
    pytest.skip("no weights in this checkout", allow_module_level=True)

PROJECT = Path(__file__).parent.parent
MOST_BYTES = 12 * 2**20


def test_it_is_small_and_complete():
    files = {path.name: path.stat().st_size for path in Path(shipped_model()).iterdir()}
    assert sum(files.values()) <= MOST_BYTES
    assert {"config.json", "model.safetensors", "grid.safetensors", "README.md"} <= set(files)
    assert {"training.json", "tokenizer.json", "modules.json"} <= set(files)


def test_its_python_files_are_the_projects():
    for part in ("configuration", "grid", "layers", "modeling", "tokenization"):
        name = f"{part}_barcodemae"
        here, there = (folder / f"{name}.py" for folder in (PROJECT, Path(shipped_model())))
        assert here.read_bytes() == there.read_bytes(), f"export the model anew: {name}.py differs"


@pytest.mark.parametrize("has_gpu", [False, True])
def test_embed_uses_it_where_no_other_is_named(has_gpu, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr("barcodemae.encoders.may_have_gpu", lambda: has_gpu)
    barcodes = coi.draw(3)
    lines = [f">{number}\n{text}" for number, text in enumerate(barcodes)]
    (tmp_path / "a.fasta").write_text("\n".join([*lines, f">back\n{coi.turned(barcodes[0])}\n"]))
    words = ["embed", str(tmp_path / "a.fasta"), "-o", str(tmp_path / "a.npz")]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert ("by ONNX Runtime" in result.output) != has_gpu  # which is quicker on a CPU
    found = np.load(tmp_path / "a.npz")["embeddings"]
    expected = Embedder.from_pretrained(shipped_model(), "cpu").embed(barcodes)
    np.testing.assert_allclose(found[:3], expected, atol=5e-6)
    np.testing.assert_allclose(found[3], found[0], atol=5e-6)  # the other strand
    with pytest.raises(BarcodeMAEError, match="--offset 3: the model finds the barcode"):
        CliRunner().invoke(app, [*words, "--offset", "3"], catch_exceptions=False)


def test_several_processes_do_not_embed_into_one_file(tmp_path, monkeypatch):
    monkeypatch.setattr("barcodemae.encoders.may_have_gpu", lambda: False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    (tmp_path / "a.fasta").write_text(f">a\n{coi.draw(1)[0]}\n")
    words = ["embed", str(tmp_path / "a.fasta"), "-o", str(tmp_path / "a.npz")]
    with pytest.raises(BarcodeMAEError, match="several processes write a folder"):
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert not (tmp_path / "a.npz").exists()


def test_the_auto_classes_give_the_same():
    barcodes = coi.draw(2)
    tokenizer = AutoTokenizer.from_pretrained(shipped_model())
    model = AutoModel.from_pretrained(shipped_model(), dtype="float32").eval()
    found = model(**tokenizer(barcodes, return_tensors="pt")).pooler_output.detach().numpy()
    expected = Embedder.from_pretrained(shipped_model(), "cpu").embed(barcodes)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_sentence_transformers_give_the_same():
    sentence_transformers = pytest.importorskip("sentence_transformers")
    model = sentence_transformers.SentenceTransformer(
        shipped_model(), trust_remote_code=True, device="cpu"
    )
    barcodes = coi.draw(2)
    found = model.encode([*barcodes, coi.turned(barcodes[0]), barcodes[1][300:]])
    expected = Embedder.from_pretrained(shipped_model(), "cpu").embed(
        [*barcodes, barcodes[1][300:]]
    )
    # In the precision that it is saved in.
    np.testing.assert_allclose(found, expected[[0, 1, 0, 2]], atol=3e-3 * abs(expected).max())


def test_low_rank_adapters_learn_from_its_embedding():
    peft = pytest.importorskip("peft")
    encoder = AutoModel.from_pretrained(shipped_model(), dtype="float32")
    settings = peft.LoraConfig(r=2, target_modules=["query", "value", "site_pooling.projection"])
    model = peft.get_peft_model(encoder, settings)
    batch = AutoTokenizer.from_pretrained(shipped_model())(coi.draw(2), return_tensors="pt")
    before = model(**batch).pooler_output.detach()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        model(**batch).pooler_output.abs().mean().backward()
        optimizer.step()
    tuned = model(**batch).pooler_output.detach()
    assert (tuned - before).abs().max() > 1e-4
    merged = model.merge_and_unload().eval()
    np.testing.assert_allclose(merged(**batch).pooler_output.detach(), tuned, rtol=1e-3, atol=1e-4)


def test_it_is_an_encoder_by_name():
    encoder = load_encoder("shipped", "cpu")
    assert encoder.embed(coi.draw(2)).shape == (2, 384)
    with pytest.raises(BarcodeMAEError, match="shipped:large"):
        load_encoder("shipped:large")


def test_an_installation_without_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("checkpoints.__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(BarcodeMAEError, match="is not there.*--model"):
        shipped_model()


@pytest.mark.slow
def test_the_wheel_holds_it_and_what_messages_tell_to_run(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    environment = {**os.environ, "PIP_NO_INDEX": "1"}
    # A copy: setuptools leaves build/ where it builds, and packs what an older one left there.
    is_left_out = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "demo", "runs")
    shutil.copytree(PROJECT, tmp_path / "project", ignore=is_left_out)
    subprocess.run([*command, "-w", tmp_path, tmp_path / "project"], check=True, env=environment)
    (wheel,) = tmp_path.glob("*.whl")
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", wheel], check=True, capture_output=True, text=True
    ).stdout
    assert "checkpoints/barcodemae-coi-small/model.safetensors" in listed
    assert "checkpoints/barcodemae-coi-small/grid.safetensors" in listed
    assert "train/pretrain.py" in listed and "train/configs/paper.yaml" in listed
    assert "barcodemae/py.typed" in listed


@pytest.mark.parametrize("name", [NAME, "enbed-coi-edits"])
def test_its_card_is_what_the_project_writes(name):
    """Its snippets load it from the project's folder."""
    folder = Path(checkpoints.__file__).parent / name
    written = render_card(folder, f"checkpoints/{name}")
    assert (folder / "README.md").read_text(encoding="utf-8") == written, f"export {name} anew"
    if name == NAME:
        assert "0.9045 (" in written  # as the project's README says, 90.5
