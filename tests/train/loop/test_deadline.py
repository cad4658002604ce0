"""Runs that stop by the clock, and go on."""

import json
import os
import signal

import pytest
import torch
from safetensors.torch import load_file

from runs import train, train_here
from train.loop.deadline import Deadline, Interval
from train.pretrain import Pretraining

OPTIONS = {"max_steps": 12, "checkpoint_every": 0, "log_every": 3}


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("whole") / "run"
    train_here(data, output_dir, **OPTIONS)
    return output_dir


def assert_alike(one, other):
    for name in ("last", "best"):
        resumed = load_file(other / name / "model.safetensors")
        for key, weight in load_file(one / name / "model.safetensors").items():
            assert torch.equal(resumed[key], weight), key


def test_a_run_that_the_clock_stops_goes_on_to_the_same_weights(whole, data, tmp_path):
    stopped = tmp_path / "stopped"
    train_here(data, stopped, stop_after_minutes=1e-6, **OPTIONS)
    assert [path.name for path in (stopped / "checkpoints").iterdir()] == ["step-3"]
    assert not (stopped / "last").exists()
    lines = [json.loads(line) for line in (stopped / "metrics.jsonl").read_text().splitlines()]
    # The clock has no say in which model is the best.
    assert not any("validation_loss" in line for line in lines)
    train_here(data, stopped, **OPTIONS)
    assert_alike(whole, stopped)


def test_states_are_saved_now_and_then(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("train.loop.deadline.time.monotonic", lambda: now[0])
    interval, never = Interval(1), Interval(0)
    now[0] = 59
    assert not interval.has_passed(all_ask=True)
    now[0] = 61
    assert interval.has_passed(all_ask=False) and not never.has_passed(all_ask=True)
    interval.restart()
    assert not interval.has_passed(all_ask=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_a_signal_stops_says_where_and_goes_on(
    whole, data, tmp_path, number, monkeypatch, capsys
):
    stopped = tmp_path / "stopped"
    step, seen = Pretraining.step, []

    def signalled(run, batches):
        seen.append(1)
        if len(seen) == 4:  # between two logged steps
            os.kill(os.getpid(), number)
            if number == signal.SIGTERM:  # as from the launcher, too
                os.kill(os.getpid(), number)
        return step(run, batches)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(Pretraining, "step", signalled)
        train_here(data, stopped, **OPTIONS)
    assert ended.value.code == 128 + number and signal.getsignal(number) == before
    where = stopped / "checkpoints" / "step-4"
    said = f"stopped by {number.name} at step 4 of 12, saved in {where}: the same command goes on"
    assert said in capsys.readouterr().out
    train_here(data, stopped, **OPTIONS)
    assert "resumed at step 4 of 12" in capsys.readouterr().out
    assert_alike(whole, stopped)


def test_a_second_interruption_ends_the_run_at_once(monkeypatch):
    monkeypatch.setattr("train.loop.deadline._ONCE_IS_ENOUGH", 0)
    with pytest.raises(KeyboardInterrupt), Deadline(0):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_two_processes_stop_at_one_step(data, tmp_path):
    train(data, tmp_path / "run", processes=2, stop_after_minutes=1e-6, log_every=3)
    assert (tmp_path / "run" / "checkpoints" / "step-3").is_dir()
    assert not (tmp_path / "run" / "last").exists()


def test_without_a_deadline_there_is_always_time():
    assert not Deadline(0).has_passed() and not Deadline(60).has_passed()
