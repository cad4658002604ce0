"""Small training runs for the tests to start, kill and compare."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from launcher import launcher
from train.loop.arguments import PretrainArguments
from train.pretrain import Pretraining

PROJECT = Path(__file__).parent.parent.parent
TINY = (
    "{kmer_size: 3, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, "
    "num_attention_heads: 2, decoder_hidden_size: 32, decoder_intermediate_size: 64, "
    "decoder_num_hidden_layers: 1, decoder_num_attention_heads: 2}"
)


PATIENCE = 600  # seconds: a busy machine is no failure
OPTIONS = {
    "preset": "barcodemae-tiny",
    "model_overrides": TINY,
    "max_steps": 24,
    "batch_size": 8,
    "base_learning_rate": 5e-3,
    "validation_share": 0.1,
    "checkpoint_every": 2,
    "validate_every": 4,
    "log_every": 1,
    "cpu": True,
}


def start(data, output_dir, *, script="train.pretrain", processes=1, environment=None, **arguments):
    """Start a run, its output in OUTPUT_DIR.log; the leader of a process group of its own."""
    given = {"train_data": data, "output_dir": output_dir, **OPTIONS}
    given |= arguments
    options = []
    for name, value in given.items():
        is_list = isinstance(value, list)
        options += [f"--{name}", *value] if is_list else [f"--{name}={value}"]
    # Alone a process needs no launcher, which would take seconds of its own to start.
    command = [*(launcher(processes) if processes > 1 else []), "-m", script, *options]
    with Path(f"{output_dir}.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": str(PROJECT), **(environment or {})},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def train_here(data, output_dir, **arguments):
    """Pretrain in this process, without the seconds that a new one needs to start."""
    files = {"train_data": [str(data)], "output_dir": str(output_dir)}
    Pretraining(PretrainArguments(**{**files, **OPTIONS, **arguments})).run()


def finish(process, output_dir):
    said = Path(f"{output_dir}.log")
    try:
        assert process.wait(PATIENCE) == 0, said.read_text()[-3000:]
    except subprocess.TimeoutExpired:
        kill(process)
        pytest.fail(f"still running after {PATIENCE} s, and had said: {said.read_text()[-3000:]}")


def wait_for(process, happened):
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert process.poll() is None and time.monotonic() < deadline, "the run ended before"
        time.sleep(0.002)


def kill(process):
    """SIGKILL the run and every process that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def killed_at_save(trainer_class, number):
    """Fine-tuning that dies, and has to, when its Trainer is about to save for the n-th time."""
    saves = []
    save = trainer_class._save_checkpoint

    def die(trainer, *arguments, **keywords):
        saves.append(1)
        if len(saves) == number:
            raise KeyboardInterrupt
        return save(trainer, *arguments, **keywords)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer_class, "_save_checkpoint", die)
        yield


class Hostile:
    """Unpickled, it makes an empty file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def train(data, output_dir, **arguments):
    finish(start(data, output_dir, **arguments), output_dir)
