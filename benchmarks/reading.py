"""Time and memory of reading barcodes, beside pandas doing the same preparation in memory.

    python benchmarks/reading.py --barcodes 2300000

Each reader works in a process of its own on one simulated CSV in BIOSCAN-5M's columns. pandas reads
only the eleven columns that matter and neither checks them nor keeps anything on disk.
"""

import argparse
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from barcodemae.data import COLUMNS, read_barcodes, write_simulated


def with_barcodemae(path: Path, threads: int) -> int:
    cache = path.parent / f"cache-{threads}"
    return len(read_barcodes(path, num_threads=threads, cache_dir=cache, progress=False))


def with_pandas(path: Path) -> int:
    columns = {*COLUMNS, "dna_barcode"} - {"nucleotides"}
    barcodes = pd.read_csv(path, usecols=columns.__contains__, dtype=str)
    barcodes["dna_barcode"] = barcodes["dna_barcode"].str.rstrip("N")
    barcodes = barcodes.drop_duplicates("dna_barcode")
    barcodes["dna_barcode"] = barcodes["dna_barcode"].str[:660]
    return len(barcodes)


def measured(work) -> tuple[int, float, float, float]:
    """What `work` returns, its seconds, and the peak memory in MB before and after it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    return result, seconds, before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--barcodes", type=int, default=200_000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4])
    arguments = parser.parse_args()
    count = arguments.barcodes
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "simulated.csv"
        sizes = {"families": 100, "genera": 500, "species": count // 15}
        work = {"simulate": partial(write_simulated, path, barcodes=count, progress=False, **sizes)}
        work["pandas"] = partial(with_pandas, path)
        for threads in arguments.threads:
            work[f"read_barcodes, {threads} threads"] = partial(with_barcodemae, path, threads)
        work["read_barcodes, again"] = partial(with_barcodemae, path, arguments.threads[0])
        print(f"{'':26}{'seconds':>9}{'rows/s':>11}{'peak MB':>9}{'at start':>10}{'left':>10}")
        for name, each in work.items():
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                left, seconds, before, peak = pool.submit(measured, each).result()
            rate = count / seconds
            print(f"{name:26}{seconds:9.2f}{rate:11,.0f}{peak:9.0f}{before:10.0f}{left:10,}")


if __name__ == "__main__":
    main()
