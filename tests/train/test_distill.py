"""`train.distill` as its users start it, with tiny students."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

from barcodemae import BarcodeMAEConfig, BarcodeMAEForMaskedLM
from barcodemae.data import read_barcodes
from barcodemae.encoders import load_encoder
from barcodemae.encoders.embedder import Embedder
from barcodemae.errors import BarcodeMAEError
from runs import TINY, train
from train.distill import DistillArguments, Distillation
from train.loop.arguments import parse_arguments
from train.loop.barcodes import hold_out
from train.targets import teacher_targets

PROJECT = Path(__file__).parent.parent.parent
PLAIN = TINY[:-1] + ", hidden_dropout_prob: 0, attention_probs_dropout_prob: 0}"


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("teacher")
    torch.manual_seed(0)
    config = BarcodeMAEConfig.preset(
        "barcodemae-tiny", hidden_size=64, num_hidden_layers=1, kmer_size=4
    )
    BarcodeMAEForMaskedLM(config).save_pretrained(directory)
    return directory


def distil(data, teacher, output_dir, **changes):
    options = {
        "train_data": data,
        "teacher": teacher,
        "output_dir": output_dir,
        "preset": "barcodemae-tiny",
        "model_overrides": TINY,
        "max_steps": 160,
        "batch_size": 16,
        "base_learning_rate": 2e-2,
        "validation_share": 0.1,
        "validate_every": 40,
        "log_every": 1,
        "cpu": True,
        **changes,
    }
    given = [f"--{name}={value}" for name, value in options.items()]
    Distillation(parse_arguments(given, DistillArguments)).run()
    return metrics(output_dir)


def metrics(output_dir):
    return [json.loads(line) for line in (output_dir / "metrics.jsonl").read_text().splitlines()]


def cosines(lines):
    return [line["validation_cosine"] for line in lines if "validation_cosine" in line]


@pytest.mark.parametrize(
    ("teacher", "whiten"), [("kmer:3", False), ("kmer:7", True), ("pretrained", False)]
)
def test_a_student_learns_where_its_teacher_points(teacher, whiten, data, pretrained, tmp_path):
    teacher = str(pretrained) if teacher == "pretrained" else teacher
    lines = distil(data, teacher, tmp_path / "run", model_overrides=PLAIN, whiten=whiten)
    start, *_, end = cosines(lines)
    assert abs(start) < 0.2 and end > start + 0.3
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) == 160 and np.mean(losses[-8:]) < np.mean(losses[:8]) - 0.3

    # The exported encoder alone has the cosines that were reported.
    best = tmp_path / "run" / "best"
    barcodes = read_barcodes(data)
    rows, held_out = hold_out(len(barcodes), 0.1, seed=0)
    targets = teacher_targets(
        teacher, load_encoder(teacher), barcodes, rows, 32, whiten, 0, tmp_path / "cache", False
    )[held_out]
    nucleotides = barcodes[held_out]["nucleotides"]
    embeddings = Embedder.from_pretrained(best, "cpu").embed(nucleotides)
    found = (embeddings * targets).sum(axis=1)
    found /= np.linalg.norm(embeddings, axis=1) * np.linalg.norm(targets, axis=1)
    record = json.loads((best / "training.json").read_text())
    assert found.mean() == pytest.approx(record["validation"]["cosine"], abs=1e-4)
    assert record["arguments"]["teacher"] == teacher
    for name in ("best", "last"):
        model = AutoModel.from_pretrained(tmp_path / "run" / name)
        assert type(model).__name__ == "BarcodeMAEModel"
        assert (tmp_path / "run" / name / "modeling_barcodemae.py").exists()
        assert (tmp_path / "run" / name / "tokenizer.json").exists()


def test_a_stopped_run_ends_with_the_same_weights(data, tmp_path):
    options = {"max_steps": 12, "validate_every": 4, "checkpoint_every": 4}
    distil(data, "kmer:3", tmp_path / "whole", **options)
    distil(data, "kmer:3", tmp_path / "run", **options, stop_after=8)
    assert not (tmp_path / "run" / "last").exists()
    distil(data, "kmer:3", tmp_path / "run", **options)
    for name in ("best", "last"):
        resumed = load_file(tmp_path / "run" / name / "model.safetensors")
        for key, weight in load_file(tmp_path / "whole" / name / "model.safetensors").items():
            assert torch.equal(resumed[key], weight), key
    assert cosines(metrics(tmp_path / "run")) == cosines(metrics(tmp_path / "whole"))
    with pytest.raises(BarcodeMAEError, match="teacher was 'kmer:3' and is 'kmer:4'"):
        distil(data, "kmer:4", tmp_path / "run", **options)


def test_a_student_learns_on_from_a_checkpoint(data, tmp_path):
    first = distil(data, "kmer:3", tmp_path / "first", max_steps=20)
    second = distil(
        data,
        "kmer:3",
        tmp_path / "second",
        student=tmp_path / "first" / "last",
        model_overrides="",
        max_steps=1,
    )
    assert cosines(second)[0] == pytest.approx(cosines(first)[-1], abs=1e-6)
    config = BarcodeMAEConfig.from_pretrained(tmp_path / "second" / "last")
    assert config.hidden_size == 32


@pytest.mark.slow
def test_two_processes_learn_as_one_with_the_double_batch(data, tmp_path):
    options = {
        "teacher": "kmer:3",
        "max_steps": 8,
        "base_learning_rate": 5e-3,
        "validate_every": 4,
    }
    distil(data, output_dir=tmp_path / "one", model_overrides=PLAIN, batch_size=8, **options)
    train(
        data,
        tmp_path / "two",
        script="train.distill",
        processes=2,
        model_overrides=PLAIN,
        batch_size=4,
        **options,
    )
    one, two = (
        [line["loss"] for line in lines if "loss" in line] + cosines(lines)
        for lines in (metrics(tmp_path / "one"), metrics(tmp_path / "two"))
    )
    assert len(one) == 8 + 3
    np.testing.assert_allclose(two, one, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"teacher": ""}, "--teacher is missing"),
        ({"teacher": "nowhere"}, "nowhere"),
        ({"teacher": "kmer:0"}, "k is an integer from 1 to 12"),
        ({"teacher": "kmer:2"}, "gives 16 dimensions, from which no 32 principal components"),
        ({"student": "somewhere"}, "--model_overrides are for a new student"),
        ({"student": "somewhere", "model_overrides": ""}, "somewhere: there is no such directory"),
    ],
)
def test_bad_input_is_named_with_the_remedy(changes, said, data, tmp_path):
    with pytest.raises(BarcodeMAEError, match=said):
        distil(data, output_dir=tmp_path / "run", **{"teacher": "kmer:3", **changes})


def test_the_ready_made_configuration_is_read():
    config = str(PROJECT / "train" / "configs" / "distill.yaml")
    given = ["--config", config, "--teacher", "t", "--train_data", "x", "--output_dir", "y"]
    arguments = parse_arguments(given, DistillArguments)
    assert arguments.whiten and arguments.preset == "barcodemae-small"
