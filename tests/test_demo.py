"""The demonstration passes if pretraining learns, and fails if it does not."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parent.parent / "examples" / "demo.py"


@pytest.fixture
def demo():
    spec = importlib.util.spec_from_file_location("demo", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("loss", "accuracy", "learnt"),
    [(0.6, 0.8, True), (0.95, 0.8, False), (0.6, 0.51, False), (float("nan"), 0.8, False)],
)
def test_only_a_clear_gain_over_the_guess_counts(demo, tmp_path, loss, accuracy, learnt):
    lines = [
        {"step": 0, "guess_loss": 1.0, "guess_accuracy": 0.5},
        {"step": 10, "loss": 0.1, "accuracy": 1.0},
        {"step": 10, "validation_loss": loss, "validation_accuracy": accuracy},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert demo.report(tmp_path) is learnt


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_demonstration_runs_to_its_end(tmp_path):
    run = subprocess.run(
        [sys.executable, PATH, "--output_dir", tmp_path], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr[-2000:]
    assert "pretrained encoder" in run.stdout and "6-mer frequencies" in run.stdout
    assert (tmp_path / "tsne.png").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_model_that_has_not_learnt_makes_it_fail(tmp_path):
    run = subprocess.run(
        [sys.executable, PATH, "--output_dir", tmp_path, "--max_steps", "5"],
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0 and "something is broken" in run.stderr
