import json
import os
import subprocess
import sys

import pytest
import torch

from barcodemae.presets import preset_config
from modeling_barcodemae import BarcodeMAEForMaskedLM, BarcodeMAEForSequenceClassification

TRAINING = {
    "arguments": {
        "preset": "barcodemae-tiny",
        "train_data": ["/home/someone/barcodes.csv"],
        "output_dir": "/home/someone/runs/1",
        "epochs": 2.0,
        "split": [],
        "base_learning_rate": 0.0001,
    },
    "data": {"train_data": ["/home/someone/barcodes.csv"], "n_barcodes": 74568},
    "steps": 1000,
    "epochs": 2.0,
    "barcodes_seen": 149136,
    "seconds": 5520.0,
    "hardware": "1 x Imaginary GPU",
    "versions": {"torch": "2.13.0", "transformers": "5.23.0"},
    "validation": {"loss": 4.125, "accuracy": 0.2125},
    "command": "train/pretrain.py --output_dir /home/someone/runs/1",
}
# In frame, with N, of mixed lengths, in lower case, longer than the model reads.
BARCODES = [
    "AACTTTATATTTTATTTTTGGAGCTTGATCAGGAATAGTAGGAACATCTTTAAGAATTTTAATTCGAGCTGAATTAGG",
    "AACATTATATTTTATTTTTGGTNTTTGAGCAGGTATAATTGGTACTTCTCTTAGT",
    "nnnnacattatattttatttttggtatttgagca",
    "ACGTTGCA" * 100,
]

_WITHOUT_THE_PROJECT = """
import sys
PARTS = ("configuration", "grid", "layers", "modeling", "tokenization")
PROJECT = {"barcodemae", "model_card", "train"} | {part + "_barcodemae" for part in PARTS}
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in PROJECT | BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


def run_without_project(code, *, blocked=(), env=None, cwd=None):
    """Run `code` in a process where the project, and `blocked`, cannot be imported."""
    preamble = f"BLOCKED = {set(blocked)!r}{_WITHOUT_THE_PROJECT}"
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [sys.executable, "-c", preamble + code],
        capture_output=True,
        text=True,
        cwd=cwd or "/",
        env={**kept, "HF_HUB_DISABLE_PROGRESS_BARS": "1", **(env or {})},
    )
    assert result.returncode == 0, result.stderr[-4000:]
    return result


@pytest.fixture(scope="session")
def tiny_config():
    return preset_config("barcodemae-tiny", hidden_size=32, intermediate_size=64)


@pytest.fixture(scope="session")
def checkpoint(tiny_config, tmp_path_factory):
    """A finished pretraining checkpoint with random weights."""
    directory = tmp_path_factory.mktemp("run") / "best"
    torch.manual_seed(0)
    BarcodeMAEForMaskedLM(tiny_config).save_pretrained(directory)
    (directory / "training.json").write_text(json.dumps(TRAINING))
    return directory


@pytest.fixture(scope="session")
def classifier(tiny_config, tmp_path_factory):
    """A finished fine-tuned checkpoint with random weights."""
    directory = tmp_path_factory.mktemp("run") / "classifier"
    config = type(tiny_config).from_dict({**tiny_config.to_dict(), "id2label": {0: "A", 1: "B"}})
    torch.manual_seed(1)
    BarcodeMAEForSequenceClassification(config).save_pretrained(directory)
    return directory
