import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from barcodemae import BarcodeMAEModel
from barcodemae.data.grid import coi_grid
from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.export import export
from barcodemae.presets import preset_config
from grid_barcodemae import Grid
from tokenization_barcodemae import BarcodeMAETokenizer

from .conftest import BARCODES, run_without_project

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def complete(checkpoint, tmp_path_factory):
    return export(checkpoint, tmp_path_factory.mktemp("hub") / "complete")


@pytest.fixture(scope="module")
def encoder(checkpoint, tmp_path_factory):
    return export(checkpoint, tmp_path_factory.mktemp("hub") / "encoder", encoder_only=True)


def test_repository_holds_every_file(complete):
    assert {path.name for path in complete.iterdir()} == {
        "README.md",
        "config.json",
        "config_sentence_transformers.json",
        "configuration_barcodemae.py",
        "grid_barcodemae.py",
        "layers_barcodemae.py",
        "model.safetensors",
        "modeling_barcodemae.py",
        "modules.json",
        "requirements.txt",
        "sentence_barcodemae.py",
        "sentence_bert_config.json",
        "tokenization_barcodemae.py",
        "tokenizer.json",
        "tokenizer_config.json",
        "training.json",
    }


def test_python_files_are_the_projects_own(complete):
    for part in ("configuration", "grid", "layers", "modeling", "tokenization"):
        name = f"{part}_barcodemae.py"
        assert (complete / name).read_bytes() == (ROOT / name).read_bytes()


def test_auto_map_names_every_class(complete, encoder):
    for directory in (complete, encoder):
        auto_map = json.loads((directory / "config.json").read_text())["auto_map"]
        assert set(auto_map) == {
            "AutoConfig",
            "AutoModel",
            "AutoModelForMaskedLM",
            "AutoModelForSequenceClassification",
            "AutoTokenizer",
        }


def test_weights_are_the_checkpoints(checkpoint, complete, encoder):
    saved = load_file(checkpoint / "model.safetensors")
    exported = load_file(complete / "model.safetensors")
    assert saved.keys() == exported.keys()
    assert all(torch.equal(saved[name], exported[name]) for name in saved)
    for name, tensor in load_file(encoder / "model.safetensors").items():
        assert torch.equal(tensor, saved[f"barcodemae.{name}"])


def test_encoder_only_leaves_the_decoder_out(complete, encoder):
    assert not [
        n for n in load_file(encoder / "model.safetensors") if "decoder" in n or "head" in n
    ]
    assert [n for n in load_file(complete / "model.safetensors") if n.startswith("decoder.")]


def test_dtype_of_the_weights(checkpoint, tmp_path):
    export(checkpoint, tmp_path / "half", dtype="bfloat16")
    with safe_open(tmp_path / "half" / "model.safetensors", framework="pt") as tensors:
        names = tensors.keys()
        assert {tensors.get_tensor(name).dtype for name in names} == {torch.bfloat16}
    assert json.loads((tmp_path / "half" / "config.json").read_text())["dtype"] == "bfloat16"
    assert BarcodeMAEModel.from_pretrained(tmp_path / "half", dtype="auto").dtype == torch.bfloat16


def test_record_names_no_folder_of_this_machine(complete):
    assert "/home" not in "".join(
        path.read_text() for path in complete.iterdir() if path.suffix != ".safetensors"
    )


_LOAD_ALL = """
import json
import torch
from transformers import (AutoConfig, AutoModel, AutoModelForMaskedLM,
    AutoModelForSequenceClassification, AutoTokenizer)
for directory in sys.argv[1:]:
    tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=True)
    assert AutoConfig.from_pretrained(directory, trust_remote_code=True).kmer_size == 4
    batch = tokenizer(BARCODES, padding=True, truncation=True, return_tensors="pt")
    for auto in (AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification):
        print("##", auto.__name__, file=sys.stderr)
        model = auto.from_pretrained(directory, trust_remote_code=True).eval()
        assert all(torch.isfinite(p).all() for p in model.parameters())
        output = model(**batch)
        if auto is AutoModel:
            print(json.dumps(output.pooler_output.tolist()))
"""


def test_every_auto_class_loads_it_without_a_warning(checkpoint, complete, encoder, classifier):
    directories = [str(complete), str(encoder), str(classifier)]
    run = run_without_project(
        f"BARCODES = {BARCODES!r}\nimport sys\nsys.argv[1:] = {directories!r}\n{_LOAD_ALL}",
        env={"TRANSFORMERS_VERBOSITY": "warning"},
    )
    pooled = [torch.tensor(json.loads(line)) for line in run.stdout.splitlines()]
    assert torch.equal(pooled[0], pooled[1])  # the encoder is the same in both
    for word in ("MISSING", "UNEXPECTED", "newly initialized", "not used when", "LOAD REPORT"):
        assert word not in run.stderr
    said = [part.split("\n", 1) for part in run.stderr.split("## ")[1:]]
    spoke = [(auto, "start from random weights" in text) for auto, text in said]
    assert spoke == [
        ("AutoModel", False),
        ("AutoModelForMaskedLM", False),
        ("AutoModelForSequenceClassification", True),
        ("AutoModel", False),
        ("AutoModelForMaskedLM", True),
        ("AutoModelForSequenceClassification", True),
        ("AutoModel", False),
        ("AutoModelForMaskedLM", True),
        ("AutoModelForSequenceClassification", False),
    ]
    assert "decoder, head. Train the model before you predict k-mers" in said[4][1]


def test_importing_the_package_takes_the_place_of_remote_code(complete):
    from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

    from barcodemae import BarcodeMAEForMaskedLM, BarcodeMAETokenizer

    assert type(AutoModel.from_pretrained(complete)) is BarcodeMAEModel
    assert type(AutoModelForMaskedLM.from_pretrained(complete)) is BarcodeMAEForMaskedLM
    assert type(AutoTokenizer.from_pretrained(complete)) is BarcodeMAETokenizer


def _break(checkpoint, tmp_path, fault):
    broken = tmp_path / "broken"
    shutil.copytree(checkpoint, broken)
    fault(broken)
    return broken


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda path: shutil.rmtree(path), "no such directory"),
        (lambda path: (path / "config.json").unlink(), "no config.json"),
        (lambda path: (path / "model.safetensors").unlink(), "no model.safetensors"),
        (lambda path: (path / "config.json").write_text('{"model_type": "bert"}'), "'bert'"),
        (lambda path: (path / "config.json").write_text("{"), "not JSON"),
        (lambda path: (path / "step-2.tmp").mkdir(), "was being written"),
        (lambda path: (path / "training.json").write_text("{"), "training.json: not JSON"),
        (lambda path: (path / "training.json").write_text("[1]"), "training.json: holds a list"),
        (lambda path: (path / "training.json").write_text('{"data": [1]}'), "data is .* an object"),
        (lambda path: (path / "training.json").write_text('{"steps": "x"}'), "steps is 'x'"),
    ],
)
def test_refuses_what_is_not_a_finished_checkpoint(checkpoint, tmp_path, fault, message):
    broken = _break(checkpoint, tmp_path, fault)
    with pytest.raises(BarcodeMAEError, match=message):
        export(broken, tmp_path / "out" / "repository")
    assert not list((tmp_path / "out").glob("*"))


def test_refuses_truncated_and_incomplete_weights(checkpoint, tmp_path):
    def truncate(path):
        weights = path / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1000])

    with pytest.raises(BarcodeMAEError, match="was it not copied whole"):
        export(_break(checkpoint, tmp_path / "a", truncate), tmp_path / "out")

    def drop_decoder(path):
        from safetensors.torch import save_file

        weights = load_file(path / "model.safetensors")
        weights = {n: t for n, t in weights.items() if not n.startswith("decoder.")}
        save_file(weights, path / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(BarcodeMAEError, match=r"lack \d+ of the tensors .* decoder\."):
        export(_break(checkpoint, tmp_path / "b", drop_decoder), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_leaves_nothing_behind_when_it_fails_late(checkpoint, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("barcodemae.hub.export.render_card", fail)
    with pytest.raises(KeyboardInterrupt):
        export(checkpoint, tmp_path / "repository")
    assert list(tmp_path.iterdir()) == []


def test_refuses_a_directory_that_holds_something(checkpoint, tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(BarcodeMAEError, match="not empty"):
        export(checkpoint, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    export(checkpoint, tmp_path / "empty")
    assert (tmp_path / "empty" / "README.md").is_file()


def test_refuses_an_unknown_dtype(checkpoint, tmp_path):
    with pytest.raises(BarcodeMAEError, match="float32, bfloat16, float16"):
        export(checkpoint, tmp_path / "out", dtype="int8")


@pytest.fixture(scope="module")
def on_grid(tmp_path_factory):
    """A checkpoint that pools by site, on a grid of its own."""
    directory = tmp_path_factory.mktemp("run") / "best"
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    places = {"max_position_embeddings": 20, "site_size": 4, "embedding_size": 8}
    model = BarcodeMAEModel(preset_config("barcodemae-coi-small", **sizes, **places))
    model.save_pretrained(directory)
    grid = Grid(coi_grid().profile[:, 100:220])
    BarcodeMAETokenizer(kmer_size=6, grid=grid).save_pretrained(directory)
    (directory / "training.json").write_text(json.dumps({"arguments": {"label_rank": "genus"}}))
    return directory


def test_a_model_keeps_its_own_grid(on_grid, tmp_path):
    directory = export(on_grid, tmp_path / "out")
    names = ("grid.safetensors", "tokenizer.json")
    for name in names:
        assert (directory / name).read_bytes() == (on_grid / name).read_bytes()
    card = (directory / "README.md").read_text()
    assert "a vector of 8 numbers" in card and "20 non-overlapping k-mers" in card
    assert "learned from labels (genus)" in card and "reverse-complemented" not in card


def test_what_labels_tell_becomes_part_of_the_model(on_grid, tmp_path):
    generator = np.random.default_rng(0)
    weight, bias = (generator.normal(size=s).astype(np.float32) for s in ((8, 80), 8))
    changed = export(on_grid, tmp_path / "out", last_map=(weight, bias))
    pooling = BarcodeMAEModel.from_pretrained(changed).site_pooling.projection
    np.testing.assert_array_equal(pooling.weight.detach().numpy(), weight)
    np.testing.assert_array_equal(pooling.bias.detach().numpy(), bias)
