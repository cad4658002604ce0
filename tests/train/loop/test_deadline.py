"""Runs that stop by the clock, and go on."""

import json

import pytest
import torch
from safetensors.torch import load_file

from runs import train, train_here
from train.loop.deadline import Deadline


def test_a_run_that_the_clock_stops_goes_on_to_the_same_weights(data, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    options = {"max_steps": 12, "checkpoint_every": 0, "log_every": 3}
    train_here(data, whole, **options)
    train_here(data, stopped, stop_after_minutes=1e-6, **options)
    assert [path.name for path in (stopped / "checkpoints").iterdir()] == ["step-3"]
    assert not (stopped / "last").exists()
    lines = [json.loads(line) for line in (stopped / "metrics.jsonl").read_text().splitlines()]
    # The clock has no say in which model is the best.
    assert not any("validation_loss" in line for line in lines)
    train_here(data, stopped, **options)
    for name in ("last", "best"):
        resumed = load_file(stopped / name / "model.safetensors")
        for key, weight in load_file(whole / name / "model.safetensors").items():
            assert torch.equal(resumed[key], weight), key


@pytest.mark.slow
def test_two_processes_stop_at_one_step(data, tmp_path):
    train(data, tmp_path / "run", processes=2, stop_after_minutes=1e-6, log_every=3)
    assert (tmp_path / "run" / "checkpoints" / "step-3").is_dir()
    assert not (tmp_path / "run" / "last").exists()


def test_without_a_deadline_there_is_always_time():
    assert not Deadline(0).has_passed() and not Deadline(60).has_passed()
