"""What the command line imports before it does any work: seconds that a word of help need not take.

`-X importtime` writes a line for each module that is imported.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]


def run(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--help"], 0, "classify"),
        (["evaluate", "--help"], 0, "--merge"),
        (["embed", "queries.fasta"], 2, "Missing option"),
        (["classfy"], 2, "No such command"),
    ],
)
def test_help_and_wrong_arguments_wait_for_no_library(arguments, status, said):
    result = run("-X", "importtime", "-m", "barcodemae", *arguments)
    assert result.returncode == status
    assert said in (result.stderr if status else result.stdout)
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"torch", "transformers", "pandas", "sklearn", "matplotlib", "datasets"}


def test_importing_the_package_registers_its_classes():
    code = "import barcodemae; from transformers import AutoConfig as A; A.for_model('barcodemae')"
    assert run("-c", code).returncode == 0


def test_there_is_no_other_attribute():
    import barcodemae

    with pytest.raises(AttributeError, match="no attribute 'BarcodeMAEForEverything'"):
        barcodemae.BarcodeMAEForEverything  # noqa: B018
