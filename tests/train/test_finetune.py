"""`train.finetune` from barcodes to calls, with tiny models."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.image import imread
from safetensors.torch import load_file
from transformers import pipeline
from typer.testing import CliRunner

from barcodemae import (
    BarcodeMAEConfig,
    BarcodeMAEForMaskedLM,
    BarcodeMAEModel,
    BarcodeMAETokenizer,
)
from barcodemae.cli import app
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.classification import Classifier, write_calls
from barcodemae.presets import preset_config
from coi import draw, mutated, noise, turned
from launcher import launcher
from runs import Hostile, killed_at_save
from train.finetune import Finetuning
from train.finetuning import curves
from train.finetuning.finetune_arguments import FinetuneArguments
from train.finetuning.trainer import FinetuneTrainer
from train.loop.manifests import States, seal
from train.loop.parsing import parse_arguments

PROJECT = Path(__file__).parent.parent.parent
WORDS = {"Apis mellifera": "AAATTT", "Apis cerana": "AAACCC", "Vespa crabro": "GTGTGT"}


@pytest.fixture(scope="module", autouse=True)
def coarse_plots():
    """Dots take time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curves, "DPI", 20)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Species that differ by a word of their own, here and there; one that is never trained on."""
    draw = np.random.default_rng(0)
    rows = []
    for split, per_species, words in (
        ("train", 32, WORDS),
        ("val", 8, WORDS),
        ("test_unseen", 8, {"Apis dorsata": "AAATCC"}),
    ):
        for species, word in words.items():
            for _ in range(per_species):
                text = "".join(
                    word if draw.random() < 0.5 else "".join(draw.choice(list("ACGT"), 6))
                    for _ in range(15)
                )
                rows.append((text, species.split()[0], species, split))
    path = tmp_path_factory.mktemp("data") / "barcodes.csv"
    columns = ["nucleotides", "genus", "species", "split"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pretrained")
    torch.manual_seed(0)
    config = preset_config(
        "barcodemae-tiny", hidden_size=32, intermediate_size=64, num_hidden_layers=1, kmer_size=3
    )
    BarcodeMAEForMaskedLM(config).save_pretrained(directory)
    return directory


def options(data, pretrained, output_dir, **changes):
    given = {
        "train_data": data,
        "model": pretrained,
        "output_dir": output_dir,
        "ranks": ["genus", "species"],
        "epochs": 6,
        "batch_size": 16,
        "base_learning_rate": 2e-2,
        "cpu": True,
        **changes,
    }
    return [
        text
        for name, value in given.items()
        for text in (f"--{name}", *map(str, value if isinstance(value, list) else [value]))
    ]


def fit(data, pretrained, output_dir, **changes):
    arguments = options(data, pretrained, output_dir, **changes)
    Finetuning(parse_arguments(arguments, FinetuneArguments)).run()
    return json.loads((output_dir / "metrics.json").read_text())


@pytest.fixture(scope="module")
def run(data, pretrained, tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("run") / "out"
    fit(data, pretrained, output_dir, test_splits=["test_unseen"], label_smoothing=0.1)
    return output_dir


def test_species_and_genera_are_learned(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["classes"]["taxa"] == 3 and metrics["classes"]["barcodes"] == 96
    seen, unseen = metrics["metrics"]["val"], metrics["metrics"]["test_unseen"]
    assert seen["species"]["accuracy"] >= 0.9 and seen["genus"]["accuracy"] >= 0.95
    assert list(unseen) == ["genus"]  # the species is not one that training knows
    # Label smoothing leaves the model too modest; calibration takes that back.
    assert metrics["temperature"] < 1 and seen["species"]["calibration_error"] < 0.1


def test_run_folder_is_complete(run):
    for split, rank in (("val", "species"), ("val", "genus"), ("test_unseen", "genus")):
        table = pd.read_csv(run / split / rank / "per_class.csv")
        assert table["training_barcodes"].sum() in (32, 64, 96)
        for plot in ("reliability.png", "confusion.png"):
            assert np.ptp(imread(run / split / rank / plot)) > 0
    assert np.ptp(imread(run / "learning_curves.png")) > 0
    history = json.loads((run / "history.json").read_text())
    assert [entry["epoch"] for entry in history if "eval_loss" in entry] == [1, 2, 3, 4, 5, 6]
    training = json.loads((run / "best" / "training.json").read_text())
    assert training["arguments"]["label_smoothing"] == 0.1


def test_model_is_served_with_the_reported_probabilities(run, data, tmp_path):
    table = pd.read_csv(data).query("split == 'val'")
    barcodes = table["nucleotides"].tolist()
    calls = Classifier.from_pretrained(run / "best", "cpu").classify(barcodes)
    reported = json.loads((run / "metrics.json").read_text())
    right = calls["species"].taxa == table["species"].to_numpy()
    assert right.mean() == reported["metrics"]["val"]["species"]["accuracy"]
    confident = calls["species"].confident
    assert confident.mean() == reported["metrics"]["val"]["species"]["confident_share"]
    assert confident.any() and right[confident].mean() >= 0.99
    served = pipeline("text-classification", str(run / "best"), trust_remote_code=True)(barcodes)
    assert [each["label"] for each in served] == calls["species"].taxa.tolist()
    np.testing.assert_allclose(
        [each["score"] for each in served], calls["species"].probabilities, atol=1e-4
    )
    write_calls(
        tmp_path / "calls.tsv",
        Classifier.from_pretrained(run / "best", "cpu"),
        list(map(str, range(len(barcodes)))),
        barcodes,
    )
    rows = list(csv.DictReader((tmp_path / "calls.tsv").open(), delimiter="\t"))
    assert len(rows) == 2 * len(barcodes)


def saved(output_dir):
    """The steps with a state, and its folder."""
    states = States(output_dir / "checkpoints", "checkpoint")
    return states.steps(), states


def assert_alike(one, other):
    one, other = (load_file(out / "best" / "model.safetensors") for out in (one, other))
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(other[name], one[name], atol=1e-5, rtol=1e-4)


SMOOTHED = {"test_splits": ["test_unseen"], "label_smoothing": 0.1}  # as the whole run is


@pytest.fixture(scope="module")
def torn(data, pretrained, tmp_path_factory):
    """A run that died when it was to save for the third time."""
    output_dir = tmp_path_factory.mktemp("torn") / "out"
    with killed_at_save(FinetuneTrainer, 3):
        fit(data, pretrained, output_dir, **SMOOTHED)
    assert saved(output_dir)[0] == [6, 12]
    return output_dir


def test_resumed_run_ends_with_the_weights_of_the_whole(run, torn, data, pretrained, tmp_path):
    """With half a checkpoint, another number of workers, and its folder at another place."""
    output_dir = tmp_path / "moved"
    shutil.copytree(torn, output_dir)
    (output_dir / "checkpoints" / "checkpoint-99").mkdir()
    fit(data, pretrained, output_dir, num_workers=1, **SMOOTHED)
    assert_alike(run, output_dir)
    assert len(saved(output_dir)[0]) in (2, 3)  # the newest two, and the best
    with pytest.raises(BarcodeMAEError, match="holds a run with other arguments"):
        fit(data, pretrained, output_dir, label_smoothing=0.2)


@pytest.mark.parametrize(
    "damaged", ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"]
)
def test_a_damaged_state_is_named_and_passed_over(torn, tmp_path, damaged, capsys):
    shutil.copytree(torn, tmp_path / "out")
    _, states = saved(tmp_path / "out")
    path = states.path(12) / damaged
    path.write_bytes(path.read_bytes()[:-9])
    assert states.newest_whole(print) == 6
    said = capsys.readouterr().out
    assert said.startswith(f"{path}: is damaged") and "step 12 is passed over" in said


def test_a_run_whose_best_state_is_damaged_begins_anew(
    run, torn, data, pretrained, tmp_path, capsys
):
    output_dir = tmp_path / "out"
    shutil.copytree(torn, output_dir)
    _, states = saved(output_dir)
    state = json.loads((states.path(12) / "trainer_state.json").read_text())
    state["best_global_step"] = 6
    (states.path(12) / "trainer_state.json").write_text(json.dumps(state))
    seal(states.path(12))
    (states.path(6) / "model.safetensors").unlink()
    fit(data, pretrained, output_dir, **SMOOTHED)
    said = capsys.readouterr().out
    assert "checkpoint-6/model.safetensors: is missing. The state of step 12 is passed" in said
    assert_alike(run, output_dir)


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_nothing_in_a_state_is_run(torn, data, pretrained, name, tmp_path):
    output_dir, trace = tmp_path / "out", tmp_path / "run"
    shutil.copytree(torn, output_dir)
    _, states = saved(output_dir)
    torch.save({"state": Hostile(trace)}, states.path(12) / name)
    seal(states.path(12))
    with pytest.raises(BarcodeMAEError, match="checkpoint-12: holds more than tensors"):
        fit(data, pretrained, output_dir, **SMOOTHED)
    assert not trace.exists()


def test_a_run_that_the_clock_stops_goes_on_to_the_end(run, data, pretrained, tmp_path, capsys):
    """It is asked every 20 steps, and so in the midst of an epoch of six."""
    output_dir = tmp_path / "out"
    arguments = options(data, pretrained, output_dir, stop_after_minutes=1e-6, **SMOOTHED)
    Finetuning(parse_arguments(arguments, FinetuneArguments)).run()
    assert saved(output_dir)[0][-1] == 20
    assert not (output_dir / "best").exists() and not (output_dir / "metrics.json").exists()
    fit(data, pretrained, output_dir, checkpoint_every=5, **SMOOTHED)
    said = capsys.readouterr().out
    assert "stopped by --stop_after_minutes at step 20 of 36" in said
    assert f"of val correctly classified by {output_dir}/best. Next: barcodemae classify" in said
    assert 35 in saved(output_dir)[0]  # in the midst of an epoch
    history = json.loads((output_dir / "history.json").read_text())
    assert [entry["epoch"] for entry in history if "eval_loss" in entry] == [1, 2, 3, 4, 5, 6]
    assert_alike(run, output_dir)


def encoder_weights(directory):
    weights = load_file(directory / "model.safetensors")
    return {name: weight for name, weight in weights.items() if name.startswith("barcodemae.")}


@pytest.mark.parametrize("probe", ["sgd", "logistic_regression"])
def test_probe_leaves_the_encoder_as_it_was(probe, data, pretrained, tmp_path):
    metrics = fit(data, pretrained, tmp_path / "out", linear_probe=probe)
    before, after = encoder_weights(pretrained), encoder_weights(tmp_path / "out" / "best")
    assert all(torch.equal(after[name], before[name]) for name in after) and after
    assert metrics["metrics"]["val"]["species"]["accuracy"] > 0.7
    assert len(list((tmp_path / "out" / "embeddings").iterdir())) == 2
    if probe == "sgd":
        assert np.ptp(imread(tmp_path / "out" / metrics["learning_curves"])) > 0
        last = json.loads((tmp_path / "out" / "history.json").read_text())[-1]
        assert last["eval_accuracy"] == metrics["metrics"]["val"]["species"]["accuracy"]
    else:
        assert metrics["learning_curves"].startswith("none")
        assert not list((tmp_path / "out").glob("learning_curves*"))


@pytest.mark.parametrize("encoder", ["frozen", "gradual"])
def test_frozen_layers_do_not_move(encoder, data, pretrained, tmp_path):
    fit(
        data,
        pretrained,
        tmp_path / "out",
        encoder=encoder,
        epochs=2,
        unfreeze_every=0.5,
        layer_decay=0.5,
        balanced_sampling=True,
        random_offset=True,
    )
    before, after = encoder_weights(pretrained), encoder_weights(tmp_path / "out" / "best")
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    if encoder == "frozen":
        assert not moved
    else:  # the one layer was freed after half an epoch, the embeddings after the first
        assert any(".encoder.layer." in name for name in moved)


def test_from_scratch_with_early_stopping_that_a_kill_does_not_put_off(data, tmp_path):
    arguments = options(
        data, "", tmp_path / "out", from_scratch=True, base_learning_rate=1e-12, patience=2
    )
    arguments = [text for text in arguments if text not in ("--model", "")]

    def epochs():
        Finetuning(parse_arguments(arguments, FinetuneArguments)).run()
        history = json.loads((tmp_path / "out" / "history.json").read_text())
        return max(entry["epoch"] for entry in history)

    with pytest.MonkeyPatch.context() as patch:
        small = BarcodeMAEConfig(
            **{
                "kmer_size": 3,
                **dict.fromkeys(
                    (
                        "hidden_size",
                        "intermediate_size",
                        "decoder_hidden_size",
                        "decoder_intermediate_size",
                    ),
                    12,
                ),
            }
        )
        patch.setattr("train.finetuning.models.preset_config", lambda name: small)
        with killed_at_save(FinetuneTrainer, 3):
            epochs()
        assert epochs() == 3  # what hardly learns gains nothing
        shutil.rmtree(tmp_path / "out" / "best")  # as if killed after the training
        assert epochs() == 3


def test_another_k_in_the_checkpoints_tokenizer_is_said_first(pretrained, tmp_path):
    BarcodeMAEForMaskedLM.from_pretrained(pretrained).save_pretrained(tmp_path / "model")
    BarcodeMAETokenizer(kmer_size=5).save_pretrained(tmp_path / "model")
    with pytest.raises(BarcodeMAEError, match="reads 3-mers, its tokenizer cuts 5-mers"):
        fit(tmp_path / "not read.csv", tmp_path / "model", tmp_path / "out")


def test_a_model_on_the_grid_learns_from_turned_barcodes(tmp_path):
    torch.manual_seed(0)
    config = preset_config("barcodemae-coi-small", hidden_size=32, intermediate_size=64)
    BarcodeMAEModel(config).save_pretrained(tmp_path / "model")
    rng, rows = np.random.default_rng(0), []
    for species, barcode in zip(WORDS, draw(3), strict=True):
        for place, split in enumerate(["train"] * 16 + ["val"] * 6):
            text = mutated(rng, barcode, 0.05)
            text = turned(text) if place % 2 else text
            rows.append((text, species.split()[0], species, split))
    columns = ["nucleotides", "genus", "species", "split"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "turned.csv", index=False)
    metrics = fit(tmp_path / "turned.csv", tmp_path / "model", tmp_path / "out")
    assert metrics["metrics"]["val"]["species"]["accuracy"] > 0.9
    odd, calls = tmp_path / "odd.fasta", tmp_path / "calls.tsv"
    odd.write_text(f">odd\n{noise(600)}\n")
    words = ["classify", str(odd), "--model", str(tmp_path / "out" / "best"), "-o", str(calls)]
    said = CliRunner().invoke(app, words, catch_exceptions=False).output
    assert "1 barcodes classified: 1 not COI" in said and "nothing is called" not in said
    assert pd.read_csv(calls, sep="\t")["verdict"].tolist() == ["not COI"]


@pytest.mark.slow
def test_two_processes_and_a_ready_made_configuration(data, pretrained, tmp_path):
    script = ["-m", "train.finetune", "--config", "train/configs/finetune-gradual.yaml"]
    given = options(data, pretrained, tmp_path / "out", batch_size=16)
    result = subprocess.run(
        [sys.executable, *launcher(2), *script, *given],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["metrics"]["val"]["genus"]["accuracy"] > 0.6
    steps, states = saved(tmp_path / "out")
    state = states.path(steps[-1]) / "trainer_state.json"
    # 96 barcodes, 16 a step over both processes, 6 epochs
    assert json.loads(state.read_text())["global_step"] <= 36


def test_ready_made_configurations_are_read(data, pretrained, tmp_path):
    files = sorted((PROJECT / "train" / "configs").glob("finetune*.yaml"))
    # The one for contrast is the pretraining's: see tests/train/contrast.
    files = [file for file in files if "contrastive" not in file.name]
    assert len(files) == 5
    for file in files:
        given = ["--config", str(file), "--train_data", "x", "--output_dir", "y"]
        if "scratch" not in file.name:
            given += ["--model", "z"]
        assert parse_arguments(given, FinetuneArguments).weight_decay == 1e-5
