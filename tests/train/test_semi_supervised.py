"""Semi-supervised pretraining (BarcodeMAE+) as its users start it."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForMaskedLM

import barcodemae  # noqa: F401  (registers the Auto classes)
from barcodemae.errors import BarcodeMAEError
from runs import TINY, kill, start, train, train_here, wait_for
from train.loop.arguments import PretrainArguments
from train.loop.overrides import make_config
from train.loop.parsing import parse_arguments
from train.loop.training_run import TrainingRun

WITH_CLS = TINY[:-1] + ", cls_token: true}"
LABELS = {"label_rank": "genus", "label_taxa": 2, "label_barcodes": 2, "label_warm_up_epochs": 0.5}


@pytest.fixture(scope="module")
def whole_run(data, tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("whole") / "run"
    train_here(data, output_dir, model_overrides=WITH_CLS, **LABELS)
    return output_dir


def steps(output_dir):
    lines = map(json.loads, (output_dir / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if "loss" in line]


def test_a_run_reports_the_taxa_and_saves_ordinary_models(whole_run):
    lines = steps(whole_run)
    assert [line["barcodes"] for line in lines] == list(range(8, 200, 8))
    assert all(line["genus_loss"] > 0 and 0 <= line["genus_accuracy"] <= 1 for line in lines)
    # The head begins at a guess among the genera.
    record = json.loads((whole_run / "last" / "training.json").read_text())
    assert lines[0]["genus_loss"] == pytest.approx(np.log(record["data"]["n_taxa"]), abs=0.2)
    assert record["barcodes_seen"] == 24 * 8
    assert record["epochs"] == pytest.approx(24 * 4 / record["data"]["n_barcodes"])
    assert record["data"]["label_rank"] == "genus"
    assert 0 < record["data"]["n_labelled"] <= record["data"]["n_barcodes"]
    for name in ("best", "last"):
        model = AutoModelForMaskedLM.from_pretrained(whole_run / name)
        assert model.config.cls_token
        weights = load_file(whole_run / name / "model.safetensors")
        assert weights.keys() == model.state_dict().keys()
        embedded = AutoModel.from_pretrained(whole_run / name)(torch.tensor([[1, 2, 3]]))
        assert embedded.pooler_output.shape == embedded.cls_state.shape == (1, 32)


@pytest.mark.parametrize("label_rank", ["genus", ""])
def test_a_barcode_has_the_label_of_its_copies(tmp_path, label_rank):
    path = tmp_path / "barcodes.csv"
    path.write_text("id,genus,nucleotides\na,,ACGTAC\nb,Aus,ACGTAC\nc,Bus,GGGTTT\n")
    arguments = PretrainArguments(train_data=[str(path)], output_dir="x", label_rank=label_rank)
    process = SimpleNamespace(is_main_process=False)
    run = SimpleNamespace(arguments=arguments, accelerator=process, whole=False)
    read = TrainingRun.read(run)
    assert read["nucleotides"][:] == ["ACGTAC", "GGGTTT"]
    assert read["genus"][:] == (["Aus", "Bus"] if label_rank else [None, "Bus"])


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_weights(data, tmp_path):
    whole, output_dir = tmp_path / "whole", tmp_path / "run"
    train(data, whole, model_overrides=WITH_CLS, **LABELS)
    run = start(data, output_dir, model_overrides=WITH_CLS, **LABELS)
    wait_for(run, (output_dir / "checkpoints" / "step-10").exists)
    kill(run)
    assert not (output_dir / "last").exists()
    train(data, output_dir, model_overrides=WITH_CLS, **LABELS)
    assert "resumed at step" in Path(f"{output_dir}.log").read_text()
    resumed = load_file(output_dir / "last" / "model.safetensors")
    for key, weight in load_file(whole / "last" / "model.safetensors").items():
        assert torch.equal(resumed[key], weight), key
    found, expected = steps(output_dir), steps(whole)
    for name in ("loss", "genus_loss", "genus_accuracy"):
        assert [line[name] for line in found] == [line[name] for line in expected]


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_double_batch(data, tmp_path):
    # Without dropout, which draws other numbers in another batch.
    plain = WITH_CLS[:-1] + ", hidden_dropout_prob: 0, attention_probs_dropout_prob: 0}"
    curves = []
    for processes in (1, 2):
        output_dir = tmp_path / f"run{processes}"
        train(data, output_dir, processes=processes, model_overrides=plain, max_steps=10, **LABELS)
        curves.append(
            torch.tensor([[line["loss"], line["genus_loss"]] for line in steps(output_dir)])
        )
    torch.testing.assert_close(curves[1], curves[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--label_rank", "genera"], "--label_rank genera: must be .* genus, species"),
        (["--label_weight", "0"], "--label_weight 0.0: must be positive"),
        (["--label_warm_up_epochs", "-1"], "--label_warm_up_epochs -1.0: must be 0 or more"),
        (["--label_taxa", "0"], "--label_taxa 0: must be positive"),
        (["--label_barcodes", "0"], "--label_barcodes 0: must be positive"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(arguments, said):
    with pytest.raises(BarcodeMAEError, match=said):
        parse_arguments(["--train_data", "a.csv", "--output_dir", "out", *arguments])


def test_the_ready_made_configuration_holds_the_published_settings(data, tmp_path):
    config = Path(__file__).parent.parent.parent / "train" / "configs" / "barcodemae-plus.yaml"
    arguments = parse_arguments(
        ["--config", str(config), "--train_data", str(data), "--output_dir", str(tmp_path)]
    )
    found = (arguments.label_rank, arguments.label_weight, arguments.label_warm_up_epochs)
    assert found == ("genus", 0.1, 5)
    assert (arguments.label_taxa, arguments.label_barcodes, arguments.batch_size) == (16, 4, 128)
    assert (arguments.max_grad_norm, arguments.epochs) == (0.5, 35)
    model = make_config(arguments)
    assert model.cls_token and model.num_hidden_layers == model.decoder_num_hidden_layers == 6
