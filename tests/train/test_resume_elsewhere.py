"""A run that goes on with another number of processes than it was started with."""

import json

import pytest
import torch
from safetensors.torch import load_file

from runs import TINY, train

# Without dropout, whose numbers are drawn by each process for its own share.
PLAIN = TINY[:-1] + ", hidden_dropout_prob: 0, attention_probs_dropout_prob: 0}"
STEPS = 12


def losses(output_dir):
    lines = map(json.loads, (output_dir / "metrics.jsonl").read_text().splitlines())
    return {line["step"]: (line["loss"], line["barcodes"]) for line in lines if "loss" in line}


@pytest.mark.slow
def test_weights_optimizer_and_data_go_on_with_more_and_with_fewer_processes(data, tmp_path):
    options = {
        "model_overrides": PLAIN,
        "max_steps": STEPS,
        "checkpoint_every": 4,
        "validate_every": 12,
        "log_every": 4,
        "batch_size": 8,
    }
    alone, moving = tmp_path / "alone", tmp_path / "moving"
    train(data, alone, processes=1, **options)
    train(data, moving, processes=2, stop_after_minutes=1e-6, **options)
    train(data, moving, processes=1, stop_after_minutes=1e-6, **options)
    train(data, moving, processes=2, **options)
    assert (tmp_path / "moving.log").read_text().count("resumed at step") == 2

    expected, met = losses(alone), losses(moving)
    assert list(met) == list(expected) == list(range(4, STEPS + 1, 4))
    for step, (loss, barcodes) in expected.items():
        assert abs(met[step][0] - loss) < 1e-4
        assert met[step][1] == barcodes == 8 * step
    weights = load_file(moving / "last" / "model.safetensors")
    for name, weight in load_file(alone / "last" / "model.safetensors").items():
        torch.testing.assert_close(weights[name], weight, atol=1e-4, rtol=0, msg=name)
