"""`barcodemae train`: the launcher, without its tracebacks."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from barcodemae.cli import app

PROJECT = Path(__file__).resolve().parents[3]


def test_it_has_help_of_its_own():
    result = CliRunner().invoke(app, ["train", "--help"])
    assert result.exit_code == 0
    assert "barcodemae train pretrain --help" in result.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["finetune", "--num_train_epochs", "3"], "is --epochs here"),
        (["pretrain", "--config", "nowhere.yaml"], "nowhere.yaml: no such file"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(words, said, tmp_path):
    given = ["--train_data", "a.csv", "--output_dir", str(tmp_path / "run")]
    run = subprocess.run(
        [sys.executable, "-m", "barcodemae", "train", *words, *given],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2 and "Traceback" not in run.stderr
    assert said in run.stderr.strip().splitlines()[-1]
