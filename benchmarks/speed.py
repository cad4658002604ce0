"""Training step, embedding and tokenization, beside a plain baseline and the machine's ceiling.

    python -m benchmarks.speed                                 # this machine's CPU, fp32
    python -m benchmarks.speed --device cuda --precision bf16 --batch-size 512

Everything in one process, in turns; results with the machine's description go to
benchmarks/results/NAME.json and .md. On a GPU the whole takes less than 8 minutes.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from pathlib import Path

import torch

from barcodemae.data import read_barcodes, write_simulated
from benchmarks.embedding import compare_embedding, compare_tokenization
from benchmarks.markdown import markdown
from benchmarks.timing import CLOCKS, machine
from benchmarks.training import Ours, compare_steps

RESULTS = Path(__file__).parent / "results"


def measure(arguments: argparse.Namespace) -> dict:
    cpu = arguments.device == "cpu"
    result = {"machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "barcodes.csv"
        # Most barcodes whole, some shortened and some with N, as in BIOSCAN-5M.
        shape = {"species": 400, "truncated": 0.2, "ambiguous": 0.05}
        write_simulated(data, 0, barcodes=4000, progress=False, **shape)
        step = {"preset": arguments.preset, "precision": arguments.precision, "cpu": cpu}
        sizes = {"batch_size": arguments.batch_size, "repeats": arguments.repeats}
        sizes["clock"] = arguments.clock
        result["training"] = compare_steps(data, **step, **sizes)
        barcodes = read_barcodes(data, progress=False, cache_dir=folder)["nucleotides"][:]
        mixed = "bf16" if arguments.precision == "bf16" else "no"
        ours = Ours(data, 8, preset=arguments.preset, mixed_precision=mixed, cpu=cpu)
        result["embedding"] = compare_embedding(
            ours.run.model,
            barcodes[: arguments.barcodes],
            arguments.repeats,
            ours.run.accelerator.device,
            arguments.clock,
        )
        kmer_size = ours.run.config.kmer_size
        result["tokenization"] = compare_tokenization(
            barcodes[:2048], kmer_size, arguments.repeats, arguments.clock
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", help="of the result files; default: the device and precision")
    parser.add_argument("--preset", default="barcodemae-k6")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--batch-size", type=int, default=16, help="of a training step")
    parser.add_argument("--barcodes", type=int, default=64, help="to embed")
    parser.add_argument(
        "--clock", choices=CLOCKS, default="day", help="processor: on a busy machine, CPU only"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU that PyTorch sees")
    command = shlex.join(["python", "-m", "benchmarks.speed", *sys.argv[1:]])
    result = {"command": command, **measure(arguments)}
    arguments.output.mkdir(parents=True, exist_ok=True)
    name = arguments.name or f"{arguments.device}-{arguments.precision}"
    (arguments.output / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    table = markdown(result)
    (arguments.output / f"{name}.md").write_text(table)
    print(table)


if __name__ == "__main__":
    main()
