"""Time and memory of `identify` as libraries and queries grow, on simulated sites and vectors.

    python -m benchmarks.identification_growth -o growth.json --libraries 10000,100000,1000000

Each size is measured in a process of its own, which tells its peak memory; the library is written
to a temporary folder, opened as any other, and searched. Vectors are random: the exact search does
the same work whatever they hold.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from matplotlib.figure import Figure

from barcodemae.outputs import write_whole_text

_PIECE = 1000  # queries answered at a time
_MIB = 1024  # KiB


def measure(references: int, queries: int, seed: int = 0) -> dict:
    """Processor seconds and peak MiB of opening, searching by vectors and comparing sites."""
    from safetensors.numpy import save_file

    from barcodemae.identification import bits
    from barcodemae.identification.cosine import CosineSearch
    from barcodemae.identification.evidence import CANDIDATES
    from barcodemae.identification.library import _mapped
    from barcodemae.identification.metric import SIZE
    from barcodemae.identification.search import compared
    from barcodemae.identification.vectors import unit

    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.safetensors"
        vectors = np.empty((references, SIZE), dtype=np.float16)
        for start in range(0, references, 50_000):
            shape = vectors[start : start + 50_000].shape
            vectors[start : start + 50_000] = unit(rng.normal(size=shape).astype(np.float32))
        shape = (references, 3, bits.WORDS)
        save_file({"planes": rng.integers(0, 2**63, shape, np.uint64), "vectors": vectors}, path)
        written = path.stat().st_size
        del vectors
        start = time.process_time()
        planes, vectors = _mapped(path)
        opened = time.process_time() - start
        start = time.process_time()
        search = CosineSearch(vectors)
        for first in range(0, queries, _PIECE):
            count = min(_PIECE, queries - first)
            found = unit(rng.normal(size=(count, SIZE)).astype(np.float32))
            places, cosines = search.nearest(found, min(CANDIDATES, references))
            compared(planes[:count], planes, places, cosines)
        searched = time.process_time() - start
    return {
        "references": references,
        "queries": queries,
        "open_seconds": opened,
        "search_seconds": searched,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MIB,
        "library_mib": written / _MIB**2,
    }


def main(
    output: Annotated[Path, typer.Option("--output", "-o", help="JSON; a PNG is written beside.")],
    libraries: Annotated[str, typer.Option()] = "10000,100000,1000000",
    queries: Annotated[str, typer.Option()] = "1000,10000,100000,1000000",
    most_pairs: Annotated[
        float, typer.Option(help="Of references and queries; larger runs are left out.")
    ] = 1e10,
) -> None:
    """Measure every pair of sizes up to `most_pairs`, and draw them."""
    rows = []
    for references in map(int, libraries.split(",")):
        for count in map(int, queries.split(",")):
            if references * count > most_pairs:
                continue
            code = (
                "import json; from benchmarks.identification_growth import measure; "
                f"print(json.dumps(measure({references}, {count})))"
            )
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            )
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(rows[-1], flush=True)
    write_whole_text(output, json.dumps(rows, indent=1) + "\n")
    draw(rows, output.with_suffix(".png"))


def draw(rows: list[dict], path: Path) -> None:
    """Seconds and memory against the number of references."""
    labels = {"search_seconds": "search, processor seconds", "peak_mib": "peak memory, MiB"}
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    for axis, (name, label) in zip(figure.subplots(1, 2), labels.items(), strict=True):
        table = pd.DataFrame(rows).pivot(index="references", columns="queries", values=name)
        table.plot(ax=axis, loglog=True, marker="o", ylabel=label)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    typer.run(main)
