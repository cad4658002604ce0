"""`train.finetune --objective contrastive` from barcodes to an encoder, with tiny models."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

from barcodemae import BarcodeMAEForMaskedLM
from barcodemae.data import write_simulated
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.evaluator import Request, evaluate
from barcodemae.evaluation.scores import find
from barcodemae.evaluation.settings import Settings
from barcodemae.presets import preset_config
from launcher import launcher
from runs import PROJECT, killed_at_save
from train.finetune import RUNS
from train.finetuning.contrastive import ContrastiveTrainer
from train.finetuning.finetune_arguments import FinetuneArguments
from train.loop.arguments import parse_arguments


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "barcodes.csv"
    write_simulated(
        path, 1, orders=3, families=8, genera=24, species=120, barcodes=1200, unlabelled=0
    )
    return path


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("untrained")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "kmer_size": 3}
    config = preset_config("barcodemae-tiny", num_attention_heads=2, **sizes)
    BarcodeMAEForMaskedLM(config).save_pretrained(directory)
    return directory


def options(data, model, output_dir, **changes):
    given = {
        "objective": "contrastive",
        "train_data": data,
        "model": model,
        "output_dir": output_dir,
        "ranks": "genus",
        "validation_split": "val_unseen",
        "test_splits": "test_unseen",
        "random_offset": True,
        "epochs": 6,
        "batch_size": 32,
        "base_learning_rate": 1e-2,
        "cpu": True,
        **changes,
    }
    return [f"--{name}={value}" for name, value in given.items()]


def tune(data, model, output_dir, **changes):
    arguments = parse_arguments(options(data, model, output_dir, **changes), FinetuneArguments)
    RUNS[arguments.objective](arguments).run()
    return json.loads((output_dir / "metrics.json").read_text())["metrics"]


@pytest.fixture(scope="module")
def tuned(data, untrained, tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("tuned") / "out"
    tune(data, untrained, output_dir)
    return output_dir


def test_genera_of_unseen_species_are_named_better(tuned, untrained, data, tmp_path):
    request = Request(
        models=[f"before={untrained}", f"after={tuned / 'best'}"],
        variants=[],
        tasks=["genus-probe"],
        settings=Settings(),
        data=[str(data)],
        prepare=True,
        cache=tmp_path,
        device="cpu",
    )
    records = evaluate(request)["records"]
    before, after = (
        find(records, model, "genus-probe", "accuracy")["value"] for model in ("before", "after")
    )
    assert after > before + 0.08
    metrics = json.loads((tuned / "metrics.json").read_text())["metrics"]
    assert metrics["test_unseen"]["genus"]["accuracy"] == pytest.approx(after, abs=0.02)


def test_best_is_an_encoder_of_the_epoch_with_the_highest_accuracy(tuned):
    history = json.loads((tuned / "history.json").read_text())
    accuracies = [entry["eval_accuracy"] for entry in history if "eval_accuracy" in entry]
    metrics = json.loads((tuned / "metrics.json").read_text())["metrics"]
    assert len(accuracies) == 6
    assert metrics["val_unseen"]["genus"]["accuracy"] == pytest.approx(max(accuracies))
    model = AutoModel.from_pretrained(tuned / "best")
    assert type(model).__name__ == "BarcodeMAEModel" and not hasattr(model.config, "lineages")
    assert {"modeling_barcodemae.py", "tokenizer.json"} <= {
        p.name for p in (tuned / "best").iterdir()
    }


def test_a_killed_run_ends_with_the_weights_of_the_whole(tuned, data, untrained, tmp_path):
    with killed_at_save(ContrastiveTrainer, 3):
        tune(data, untrained, tmp_path / "out")
    tune(data, untrained, tmp_path / "out")
    resumed = load_file(tmp_path / "out" / "best" / "model.safetensors")
    for name, weight in load_file(tuned / "best" / "model.safetensors").items():
        torch.testing.assert_close(resumed[name], weight, atol=1e-6, rtol=0, msg=name)


@pytest.mark.slow
def test_two_processes_learn_as_one_with_accumulated_batches(data, untrained, tmp_path):
    # Without dropout, which each process draws for itself.
    model = BarcodeMAEForMaskedLM.from_pretrained(untrained)
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = 0.0
    model.save_pretrained(tmp_path / "model")
    given = {"batch_size": 16, "epochs": 3}
    tune(data, tmp_path / "model", tmp_path / "one", gradient_accumulation_steps=2, **given)
    script = ["-m", "train.finetune", *options(data, tmp_path / "model", tmp_path / "two", **given)]
    result = subprocess.run(
        [sys.executable, *launcher(2), *script],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    one, two = (
        [
            (entry["epoch"], entry.get("loss", entry.get("eval_accuracy")))
            for entry in json.loads((tmp_path / name / "history.json").read_text())[:-1]
        ]
        for name in ("one", "two")
    )
    assert len(one) == len(two) == 3 + 1  # accuracies, and the loss of the last epochs
    assert np.array(two) == pytest.approx(np.array(one), abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective": "contrast"}, "--objective contrast: must be lineage or contrastive"),
        ({"temperature": 0}, "--temperature 0.0: must be positive"),
        ({"barcodes_per_taxon": 1}, "--barcodes_per_taxon 1: must be 2 or more"),
        ({"batch_size": 30}, "--batch_size 30 .*must be a multiple of barcodes_per_taxon, 4"),
        ({"batch_size": 4}, "--batch_size 4 .*must be a multiple"),
        ({"sampled_rank": "family"}, "--sampled_rank family: must be of --ranks genus"),
        ({"encoder": "frozen"}, "--encoder is for heads that name taxa"),
        ({"linear_probe": "sgd"}, "--linear_probe is for heads"),
        ({"label_smoothing": 0.1}, "--label_smoothing is for heads"),
        ({"barcodes_per_taxon": 16, "batch_size": 512}, "hold 32 taxa with 16 barcodes each, but"),
    ],
)
def test_bad_input_is_named_with_the_remedy(changes, said, data, untrained, tmp_path):
    with pytest.raises(BarcodeMAEError, match=said):
        tune(data, untrained, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()
