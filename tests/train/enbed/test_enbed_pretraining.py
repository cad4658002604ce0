"""Pretraining an ENBED: it learns, resumes exactly, and refuses what cannot be."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from barcodemae.errors import BarcodeMAEError
from enbed import EnbedForConditionalGeneration, EnbedForTokenClassification
from train.enbed.pretraining import EnbedArguments, EnbedPretraining
from train.loop.parsing import named_argument

TINY = "{hidden_size: 16, num_layers: 1, num_decoder_layers: 1, num_heads: 2, radii: [16],"
TINY += " intermediate_size: 32, dropout_rate: 0.0}"


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_text(">repeats\n" + "ACGTTGCA" * 2000 + "\n")
    return path


def run(data, output_dir, **arguments):
    given = {
        "train_data": [str(data)],
        "output_dir": str(output_dir),
        "preset": "enbed-tiny",
        "model_overrides": TINY,
        "window": 96,
        "span_length": 4.0,
        "max_steps": 12,
        "batch_size": 8,
        "base_learning_rate": 0.1,
        "validation_share": 0.1,
        "checkpoint_every": 4,
        "validate_every": 6,
        "log_every": 1,
        "cpu": True,
    }
    EnbedPretraining(EnbedArguments(**{**given, **arguments})).run()


def weights(output_dir):
    return load_file(output_dir / "last" / "model.safetensors")


@pytest.mark.parametrize(
    ("objective", "kind", "falls_to"),
    [
        ("spans", EnbedForConditionalGeneration, 0.8),
        ("tokens", EnbedForTokenClassification, 1.0),  # there is no sentinel to learn first
    ],
)
def test_a_run_that_was_killed_ends_with_the_same_weights(
    objective, kind, falls_to, genome, tmp_path, monkeypatch
):
    run(genome, tmp_path / "whole", objective=objective)
    lines = [json.loads(x) for x in (tmp_path / "whole" / "metrics.jsonl").open()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) == 12 and losses[-1] < falls_to * losses[0]
    step, made = EnbedPretraining.step, []

    def killed(self, batches):
        made.append(1)
        if len(made) == 7:
            raise KeyboardInterrupt
        return step(self, batches)

    with monkeypatch.context() as patch:
        patch.setattr(EnbedPretraining, "step", killed)
        with pytest.raises(KeyboardInterrupt):
            run(genome, tmp_path / "killed", objective=objective)
    run(genome, tmp_path / "killed", objective=objective)
    whole, killed_run = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], killed_run[name]) for name in whole)
    model = kind.from_pretrained(tmp_path / "whole" / "best")
    assert model.config.num_labels == (4 if objective == "tokens" else model.config.num_labels)


def test_edit_tags_are_learned_from_barcodes(tmp_path):
    from barcodemae.checking.profile import consensus
    from barcodemae.checking.tagging import Tagger

    rng = np.random.default_rng(0)
    common = np.array(list("ACGT"))[consensus().argmax(axis=1)]
    lines = []
    for number in range(40):
        letters = common.copy()
        letters[rng.integers(0, 658, 5)] = "A"
        lines.append(f">{number}\n{''.join(letters)}\n")
    data = tmp_path / "barcodes.fasta"
    data.write_text("".join(lines))
    run(data, tmp_path / "run", objective="edits", max_steps=4)
    tagger = Tagger(tmp_path / "run" / "last")
    assert tagger.least_to_mend < 1  # what it says counts in `check --repair`
    (tags,) = tagger.tag([np.zeros(100, dtype=np.uint8)], [5])
    assert tags.shape == (101, 10)
    np.testing.assert_allclose(tags.sum(axis=1), 1, atol=1e-5)


def test_what_cannot_be_is_refused(genome, tmp_path):
    with pytest.raises(BarcodeMAEError, match="--objective words: must be one of spans"):
        EnbedArguments(train_data=["a"], output_dir="b", objective="words").check()
    with pytest.raises(BarcodeMAEError, match="the model has 16384 positions"):
        run(genome, tmp_path / "run", window=16384)


def test_the_preset_says_which_family_is_trained(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("preset: enbed-tiny\n")
    assert named_argument("preset", ["--config", str(config)]) == "enbed-tiny"
    assert (
        named_argument("preset", ["--config", str(config), "--preset", "barcodemae-k4"])
        == "barcodemae-k4"
    )
    assert named_argument("preset", ["--seed", "3"]) == ""
