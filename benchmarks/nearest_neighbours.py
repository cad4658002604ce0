"""Exact cosine search against scikit-learn's, at the size of the paper's probe.

    python -m benchmarks.nearest_neighbours

118,000 references and 3,400 queries of 768 dimensions, like BIOSCAN-5M's `train` and
`test_unseen`: wall and CPU seconds of interleaved repeats (on a busy machine the CPU seconds are
the ones to compare), memory beyond the inputs, and whether the labels are the same.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from barcodemae.identification.neighbours import nearest

RESULTS = Path(__file__).parent / "results" / "nearest-neighbours.json"


def clustered(references: int, queries: int, dim: int, seed: int = 0):
    """Embeddings that lie in genera: (m, dim), (n, dim) float32 and the references' labels (m,)."""
    generator = np.random.default_rng(seed)
    genera = max(references // 50, 2)
    centres = generator.standard_normal((genera, dim), dtype=np.float32)
    labels = generator.integers(0, genera, references), generator.integers(0, genera, queries)
    vectors = []
    for of in labels:
        noise = generator.standard_normal((len(of), dim), dtype=np.float32)
        noise *= 2
        noise += centres[of]
        vectors.append(noise)
    return *vectors, labels[0]


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measured(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, float, float, int]:
    """What `work` returns, its wall and CPU seconds, and how far resident memory rose."""
    start, peak, done = resident_bytes(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], resident_bytes() - start)

    watcher = threading.Thread(target=watch)
    watcher.start()
    wall, cpu = time.perf_counter(), time.process_time()
    answer = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    done.set()
    watcher.join()
    return answer, wall, cpu, peak[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--references", type=int, default=118_000)
    parser.add_argument("--queries", type=int, default=3_400)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    reference, query, labels = clustered(arguments.references, arguments.queries, arguments.dim)
    classifier = KNeighborsClassifier(1, metric="cosine", algorithm="brute").fit(reference, labels)
    ways = {
        "barcodemae.identification.neighbours": lambda: labels[nearest(reference, query)[1][:, 0]],
        "KNeighborsClassifier": lambda: classifier.predict(query),
    }
    wall, cpu = ({name: [] for name in ways} for _ in range(2))
    memory = dict.fromkeys(ways, 0)
    answers = {}
    nearest(reference[:100], query[:10])  # threads and libraries start here
    for _ in range(arguments.repeats):
        for name, work in ways.items():
            answers[name], wall_seconds, cpu_seconds, peak = measured(work)
            wall[name].append(round(wall_seconds, 2))
            cpu[name].append(round(cpu_seconds, 2))
            memory[name] = max(memory[name], peak)
    ours, theirs = ways
    result = {
        **{name: getattr(arguments, name) for name in ("references", "queries", "dim", "repeats")},
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "wall_ratio": round(statistics.median(wall[theirs]) / statistics.median(wall[ours]), 2),
        "cpu_ratio": round(statistics.median(cpu[theirs]) / statistics.median(cpu[ours]), 2),
        "gigabytes_beyond_inputs": {name: round(m / 1e9, 3) for name, m in memory.items()},
        "same_labels": bool((answers[ours] == answers[theirs]).all()),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    text = json.dumps(result, indent=1)
    arguments.output.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
