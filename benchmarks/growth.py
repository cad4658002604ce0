"""Time and memory against the number of barcodes: reading, opening, training batches, embedding.

    python -m benchmarks.growth                            # simulates 2.3 million barcodes first
    python -m benchmarks.growth --sizes 10000 100000 --embed-up-to 100000

Each measurement is a process of its own. Memory is the process's own (anonymous) at its peak, and
beside it the resident pages of mapped files, which the system takes back when it needs them.
Results go to benchmarks/results/growth.json and growth.png.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from barcodemae.presets import preset_config
from benchmarks.timing import machine

RESULTS = Path(__file__).parent / "results"
_BATCH = 128


def read(data: Path, cache: Path) -> None:
    """Prepare a file: the first time that it is read."""
    from barcodemae.data import read_barcodes

    read_barcodes(data, cache_dir=cache, progress=False)


def draw(data: Path, cache: Path) -> None:
    """Draw, tokenize and mask an epoch of batches, as training does."""
    from barcodemae.data import read_barcodes
    from train.loop.barcodes import Draws, ShareOfDraws, hold_out
    from train.masked_lm.masking import MaskingCollator

    barcodes = read_barcodes(data, cache_dir=cache, progress=False)
    draws = Draws(barcodes, hold_out(len(barcodes), 0.01, 0)[0], seed=0)
    collate = MaskingCollator(6, 0.5, 0)
    for batch in ShareOfDraws(range(len(draws) // _BATCH), _BATCH, 0, 1):
        collate([draws[number] for number in batch])


def embed(data: Path, cache: Path) -> None:
    """Embed every record into Parquet shards with a tiny model of random weights."""
    from barcodemae import BarcodeMAEModel
    from barcodemae.data import read_barcodes
    from barcodemae.embedding.shards import start_processes, write_shards
    from barcodemae.encoders.embedder import Embedder

    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    model = BarcodeMAEModel(preset_config("barcodemae-tiny", kmer_size=6, **size))
    barcodes = read_barcodes(data, cache_dir=cache, prepare=False, progress=False)
    state = start_processes("cpu")
    with tempfile.TemporaryDirectory(dir=cache) as output:
        shards = Path(output) / "embeddings"
        write_shards(shards, Embedder(model, "cpu"), barcodes, state, batch_size=256)


WORK = {"read": read, "open": read, "draw": draw, "embed": embed}


def measure_here(work: str, data: Path, cache: Path) -> dict:
    """Run one piece of work in this process; seconds without imports, and peak memory."""
    import barcodemae.data  # noqa: F401  (so that its import is not measured)

    before, cpu = time.perf_counter(), time.process_time()
    WORK[work](data, cache)
    seconds, cpu = time.perf_counter() - before, time.process_time() - cpu
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    now = {name: int(status[name].split()[0]) * 1024 for name in ("VmHWM", "RssAnon", "RssFile")}
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "resident_peak_bytes": now["VmHWM"],
        **{"anonymous_bytes": now["RssAnon"], "mapped_files_bytes": now["RssFile"]},
    }


def measure(work: str, data: Path, cache: Path) -> dict:
    command = [sys.executable, "-m", "benchmarks.growth", "--here", work, str(data), str(cache)]
    said = subprocess.run(command, capture_output=True, text=True)
    if said.returncode:
        raise SystemExit(said.stderr)
    return json.loads(said.stdout.splitlines()[-1])


def first_rows(data: Path, count: int, target: Path) -> None:
    """The header and the first `count` barcodes of a CSV file."""
    with data.open() as source, target.open("w") as file:
        file.writelines(itertools.islice(source, count + 1))


def plot(rows: list[dict], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (times, memory) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for work in WORK:
        chosen = [row for row in rows if row["work"] == work]
        sizes = [row["barcodes"] for row in chosen]
        times.loglog(sizes, [row["cpu_seconds"] for row in chosen], "o-", label=work)
        peak = [row["resident_peak_bytes"] / 2**30 for row in chosen]
        memory.semilogx(sizes, peak, "o-", label=work)
    times.set(xlabel="barcodes", ylabel="processor seconds", title="time")
    memory.set(xlabel="barcodes", ylabel="GiB", title="resident memory of a process, peak")
    memory.axhline(1.5e9 / 2**30, color="grey", linestyle=":")
    memory.set_ylim(bottom=0)
    times.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--here", nargs=3, help=argparse.SUPPRESS)
    sizes = [10_000, 100_000, 1_000_000, 2_300_000]
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes)
    parser.add_argument("--embed-up-to", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, help="simulated CSV file; default: one is made")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if arguments.here:
        work, data, cache = arguments.here
        print(json.dumps(measure_here(work, Path(data), Path(cache))))
        return
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data or _simulated(Path(folder), max(arguments.sizes))
        for size in sorted(arguments.sizes):
            part, cache = Path(folder) / "part.csv", Path(folder) / f"cache-{size}"
            first_rows(data, size, part)
            for work in WORK:
                if work == "embed" and size > arguments.embed_up_to:
                    continue
                rows.append({"work": work, "barcodes": size, **measure(work, part, cache)})
                print(rows[-1], flush=True)
            result = {"machine": machine(), "rows": rows}
            (arguments.output / "growth.json").write_text(json.dumps(result, indent=1) + "\n")
    plot(rows, arguments.output / "growth.png")


def _simulated(folder: Path, count: int) -> Path:
    from barcodemae.data import write_simulated

    taxa = {"orders": 50, "families": 1500, "genera": 20_000, "species": 100_000}
    if count < 1_000_000:
        taxa = {"species": max(400, count // 20)}
    write_simulated(folder / "barcodes.csv", 0, barcodes=count, **taxa)
    return folder / "barcodes.csv"


if __name__ == "__main__":
    main()
