"""How fast models name barcodes on a CPU, and how well, beside VSEARCH: in one process, in turns.

    python -m experiments.speed_on_cpu RESULTS --data barcodes.parquet --threads 1 \\
        --model small=RESULTS/exported/small-seed0 --model large=RESULTS/exported/barcodemae-seed0

Each contestant names the queries after the reference, whose embeddings are made beforehand: a
model embeds the queries and searches, VSEARCH reads both files and searches. RESULTS gets
speed_on_cpu.json, which `experiments.table` draws.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from barcodemae.embedding.precision import at_precision
from barcodemae.encoders import load_encoder
from barcodemae.encoders.pretrained import BarcodeMAEEncoder
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation import statistics
from barcodemae.evaluation.aligners import Aligner, is_aligner
from barcodemae.evaluation.evaluator import split_label
from barcodemae.evaluation.splits import Barcodes
from barcodemae.identification.neighbours import nearest
from barcodemae.outputs import write_whole_text
from benchmarks.timing import machine, summary, take_turns
from experiments.pictures import SPEED_ON_CPU

_BATCH = 64  # also what `Embedder.embed` takes
Contestant = Callable[[], np.ndarray]  # the labels of the queries
Embed = Callable[[Sequence[str]], np.ndarray]


def measure(
    models: Sequence[str],
    precisions: Sequence[str],
    barcodes: Barcodes,
    reference: str,
    query: str,
    threads: int,
    repeats: int,
) -> dict:
    """Speed and genus accuracy of each model, in each precision where it is a BarcodeMAE.

    Args:
        models: LABEL=SPEC, as in `barcodemae evaluate --model`.
        precisions: of `barcodemae.embedding.precision`.
        reference, query: splits.
        threads: of PyTorch and of the aligners.
    """
    torch.set_num_threads(threads)
    library, labels = _labelled(barcodes, reference)
    queries, truth = _labelled(barcodes, query)
    contestants: dict[str, Contestant] = {}
    for label, spec in map(split_label, models):
        if is_aligner(spec):
            contestants[label] = _aligned(Aligner(spec, threads), library, labels, queries)
            continue
        for name, embed in _embedders(label, spec, precisions).items():
            contestants[name] = _embedded(embed, library, labels, queries)
    times = take_turns(contestants, repeats)
    lines = []
    for name, contestant in contestants.items():
        codes = statistics.encode(truth, contestant())
        speed = summary(times[name], len(queries))
        lines.append(
            {
                "name": name,
                "accuracy": float(statistics.scores(*codes)["accuracy"]),
                "interval": statistics.bootstrap_intervals(*codes, 1000, 0)["accuracy"],
                "queries_per_second": speed.pop("barcodes_per_second"),
                **speed,
            }
        )
    sizes = {"references": len(library), "queries": len(queries)}
    return {"machine": machine(), "threads": threads, **sizes, "contestants": lines}


def _labelled(barcodes: Barcodes, split: str) -> tuple[list[str], np.ndarray]:
    """Barcodes of a split that have a genus, and it."""
    there = barcodes.get(split)
    genera = there.labels("genus")
    return [s for s, genus in zip(there.sequences, genera, strict=True) if genus], genera[
        genera != ""
    ]


def _embedders(label: str, spec: str, precisions: Sequence[str]) -> dict[str, Embed]:
    encoder = load_encoder(spec, "cpu", _BATCH)
    if not isinstance(encoder, BarcodeMAEEncoder):
        return {label: encoder.embed}
    full = encoder.embedder
    return {f"{label}, {name}": at_precision(full, name).embed for name in precisions}


def _embedded(embed: Embed, library, labels: np.ndarray, queries) -> Contestant:
    vectors = embed(library)

    def name() -> np.ndarray:
        _, found = nearest(vectors, embed(queries))
        return labels[found[:, 0]]

    return name


def _aligned(aligner: Aligner, library, labels: np.ndarray, queries) -> Contestant:
    return lambda: np.array(aligner.name_queries(library, labels.tolist(), queries, seed=0).labels)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="folder of experiments.run")
    parser.add_argument("--data", nargs="+", required=True, help="barcodes with splits and genera")
    parser.add_argument("--model", action="append", required=True, metavar="NAME=DIR")
    parser.add_argument("--precision", default="fp32,int8", help="of the models: fp32, bf16, int8")
    parser.add_argument("--reference", default="train")
    parser.add_argument("--query", default="val_unseen")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(arguments)
    try:
        found = measure(
            ["6-mer frequencies=kmer:6", "VSEARCH=vsearch", *given.model],
            given.precision.split(","),
            Barcodes.read(given.data, [given.reference, given.query]),
            given.reference,
            given.query,
            given.threads,
            given.repeats,
        )
    except BarcodeMAEError as error:
        print(f"experiments.speed_on_cpu: {error}", file=sys.stderr)
        return 2
    text = json.dumps(found, indent=1) + "\n"
    path = given.results / SPEED_ON_CPU
    write_whole_text(path, text)
    for line in found["contestants"]:
        print(
            f"{line['name']:32} {line['queries_per_second']:8.1f} queries/s "
            f"{100 * line['accuracy']:5.1f} %"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
