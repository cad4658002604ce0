"""Training in a process of its own, and what it leaves behind to be told."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from barcodemae import BarcodeMAEConfig
from barcodemae.data import read_barcodes
from barcodemae.encoders.tokens import kmer_ids
from barcodemae.errors import BarcodeMAEError
from benchmarks.flops import forward_flops
from experiments.work import Work
from tokenization_barcodemae import MAX_NUCLEOTIDES

PROJECT = Path(__file__).parent.parent
_SAMPLE = 2000  # barcodes, to count the tokens of


def launch(
    module: str,
    arguments: Sequence[str],
    log: Path,
    accelerate_config: str = "",
    cpu: bool = False,
    keep_open: Sequence[int] = (),
) -> int:
    """Run `accelerate launch -m train.MODULE` to its end; what it says is added to `log`.

    It is ended with this process, unless that one is killed outright. Returns its exit status.

    Args:
        accelerate_config: file of the launcher; without it: one process.
        keep_open: file descriptors that it shall hold open as long as it lives.
    """
    launcher = [sys.executable, "-m", "accelerate.commands.launch"]
    if accelerate_config:
        launcher += ["--config_file", accelerate_config]
    else:
        launcher += ["--num_processes=1", "--num_machines=1", "--mixed_precision=no"]
        launcher += ["--dynamo_backend=no", *(["--cpu"] if cpu else [])]
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as said:
        process = subprocess.Popen(
            [*launcher, "-m", f"train.{module}", *arguments],
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": path, "TQDM_MININTERVAL": "30"},
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=keep_open,
        )
        try:
            return process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise


def training_record(work: Work, data: Sequence[str]) -> dict:
    """What the results tell of a run's training; of the validations, (barcodes, loss, accuracy)."""
    if work.run.module == "none":
        return {}
    best = Path(work.model) / "training.json"
    if not best.exists():
        raise BarcodeMAEError(
            f"{work.folder}: training ended without a best model: no validation loss was a number. "
            "Lower its base_learning_rate in the manifest, and remove the folder."
        )
    record = json.loads(best.read_text(encoding="utf-8"))
    told = {
        "hardware": record.get("hardware"),
        "versions": record.get("versions"),
        "barcodes_trained_on": record["data"]["n_barcodes"],
        "barcodes_seen": round(work.epochs * record["data"]["n_barcodes"]),
        "validation_curve": [],
    }
    metrics = work.folder / "metrics.jsonl"
    if not metrics.exists():
        return told
    last = json.loads((work.folder / "last" / "training.json").read_text(encoding="utf-8"))
    batch = last["barcodes_seen"] / last["steps"]
    lines = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    speeds = [line["barcodes_per_second"] for line in lines if "barcodes_per_second" in line]
    told |= {
        "barcodes_seen": last["barcodes_seen"],
        "training_seconds": last["seconds"],
        "barcodes_per_second": statistics.median(speeds),
        "guess_loss": next((line["guess_loss"] for line in lines if "guess_loss" in line), None),
        "validation_curve": [
            [line["step"] * batch, line["validation_loss"], line.get("validation_accuracy")]
            for line in lines
            if "validation_loss" in line
        ],
    }
    if work.run.module == "pretrain":
        told["flops_per_barcode"] = _training_flops(work, data)
    return told


def _training_flops(work: Work, data: Sequence[str]) -> float:
    """Of one barcode's forward and backward pass, the mean over a sample of the barcodes."""
    config = BarcodeMAEConfig.from_pretrained(work.model)
    barcodes = read_barcodes(data, split=work.run.arguments.get("split"), progress=False)
    step = max(1, len(barcodes) // _SAMPLE)
    sequences = barcodes[::step]["nucleotides"]
    k = config.kmer_size
    offset = (k - 1) // 2 if work.run.arguments.get("random_offset", True) else 0
    _, lengths = kmer_ids(sequences, k, offset, MAX_NUCLEOTIDES // k)
    length = float(lengths.mean())
    between = work.run.arguments.get("mask_ratio_between")
    hidden = length * (sum(map(float, between)) / 2 if between else config.mask_ratio)
    return 3 * forward_flops(config, length, length - hidden, hidden)
