"""Time and memory of the BIN clustering at the size of BIOSCAN-5M's test splits.

    python -m benchmarks.clustering

UMAP and Ward of 22,000 simulated embeddings of 768 dimensions in 3,000 clusters: processor seconds,
peak resident memory, and that of the libraries and the embeddings alone.
"""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import make_blobs

from barcodemae.evaluation import metrics
from barcodemae.evaluation.tasks.bin_clustering import cluster
from benchmarks.timing import machine

RESULT = Path(__file__).parent / "results" / "clustering.json"
_BARCODES, _DIMENSIONS, _CLUSTERS = 22_000, 768, 3_000


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    vectors, classes = make_blobs(
        _BARCODES, _DIMENSIONS, centers=_CLUSTERS, center_box=(-2, 2), random_state=0
    )
    vectors = vectors.astype(np.float32)
    before, start = peak_bytes(), time.process_time()
    found = cluster(vectors, _CLUSTERS, neighbours=15, seed=42)
    result = {
        "machine": machine(),
        "barcodes": _BARCODES,
        "dimensions": _DIMENSIONS,
        "clusters": _CLUSTERS,
        "cpu_seconds": time.process_time() - start,
        "peak_bytes": peak_bytes(),
        "peak_bytes_before": before,
        **metrics.compute("adjusted_mutual_information", predictions=found, references=classes),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
