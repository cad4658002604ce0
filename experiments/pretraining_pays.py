"""Does masked pretraining pay, and where? Trains the runs of manifest-pretraining.yaml, one by one.

    python -m experiments.pretraining_pays barcodes.parquet -o RESULTS

Each is judged as a user would use it: barcodes of the split `val_unseen`, whose species the
reference `train` lacks, take the genus of their nearest neighbour (plain cosine); so do their last
313 nucleotides; those of `val` take a species. The same command, given again, goes on. RESULTS
holds runs/, records.jsonl, table.md and curve.png.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from barcodemae.data.grid import coi_grid
from barcodemae.encoders.embedder import Embedder
from barcodemae.identification.neighbours import nearest
from barcodemae.outputs import write_whole_text
from experiments.manifest import MANIFEST, Run, read_manifest
from grid_barcodemae import nucleotide_text
from train.contrast.contrasting import Contrasting
from train.contrast.laid import LaidBarcodes
from train.loop.parsing import parse_arguments
from train.loop.script import errors_in_a_line
from train.pretrain import run_of

_LABELS = ["phylum", "class", "order", "family", "genus", "species", "dna_bin"]
_LEARNED = ("pretrain", "train")
_WINDOW = 313
_SCORES = ("genus", "over_genera", "species", "genus_window")


def label_table(barcodes: pd.DataFrame, labels: str) -> pd.DataFrame:
    """The barcodes to learn from, of which some keep their labels.

    Args:
        labels: all, the number of percent that keep theirs, or reference: those of `train` do.
    """
    table = barcodes[barcodes["split"].isin(_LEARNED)].copy()
    if labels == "reference":
        kept = (table["split"] == "train").to_numpy()
    else:
        share = 1.0 if labels == "all" else int(labels) / 100
        kept = np.random.default_rng(0).random(len(table)) < share
    table.loc[~kept, _LABELS] = None
    return table


class Judge:
    """What every model is asked: the reference and the queries, as (names, nucleotides)."""

    def __init__(self, barcodes: pd.DataFrame):
        split = dict(list(barcodes.groupby("split")))
        self.reference, self.seen, self.unseen = split["train"], split["val"], split["val_unseen"]
        codes, _ = coi_grid().lay(self.unseen["nucleotides"].tolist())
        self.windows = [nucleotide_text(row[-_WINDOW:]) for row in codes]

    def scores(self, model: Path) -> dict[str, float]:
        """Percent right, and barcodes embedded in a second of CPU time."""
        embedder = Embedder.from_pretrained(model, device="cpu")
        start = time.process_time()
        reference = embedder.embed(self.reference["nucleotides"].tolist())
        speed = len(reference) / (time.process_time() - start)

        def named(texts: list[str], rank: str) -> np.ndarray:
            _, rows = nearest(reference, embedder.embed(texts), k=1)
            return self.reference[rank].to_numpy(dtype=object)[rows[:, 0]]

        truth = self.unseen["genus"].to_numpy(dtype=object)
        right = named(self.unseen["nucleotides"].tolist(), "genus") == truth
        of_species = named(self.seen["nucleotides"].tolist(), "species") == self.seen["species"]
        shares = {
            "genus": right.mean(),
            "over_genera": pd.Series(right).groupby(truth).mean().mean(),
            "species": of_species.mean(),
            "genus_window": (named(self.windows, "genus") == truth).mean(),
        }
        found = {name: round(100 * float(share), 2) for name, share in shares.items()}
        return {**found, "embedded_per_cpu_second": round(speed)}


# Reading and laying the same barcodes for each run would cost as much as the training.
_kept: dict[tuple, Any] = {}


class Small(Contrasting):
    """A run whose barcodes were read for the one before it, and which is judged at its end."""

    def read(self) -> datasets.Dataset:
        key = ("read", *self.arguments.train_data)
        return _kept.setdefault(key, _kept.get(key) or super().read())

    def lay(self, barcodes: datasets.Dataset) -> LaidBarcodes:
        key = ("laid", self.grid is None, self.config.kmer_size, *self.arguments.train_data)
        return _kept.setdefault(key, _kept.get(key) or super().lay(barcodes))

    def validate(self) -> dict[str, float]:
        return super().validate() if self.arguments.validate_every else {"loss": 1.0}


def train(run: Run, results: Path, barcodes: pd.DataFrame) -> None:
    """Train `run` in this process; nothing where it is trained already."""
    runs = results / "runs"
    if run.is_trained(runs):
        return
    table = results / f"labels-{run.labels}.parquet"
    if not table.is_file():
        label_table(barcodes, run.labels).to_parquet(table)
    arguments = parse_arguments(run.training(runs, [str(table)]))
    is_paper = run.name == "paper"  # the only one that neither is laid down nor learns from labels
    (run_of if is_paper else Small)(arguments).run()


def record(run: Run, results: Path, scores: dict) -> dict:
    """What is kept of a run."""
    training = json.loads((run.folder(results / "runs") / "last" / "training.json").read_text())
    data = training["data"]
    return {
        "name": run.name,
        "seed": run.seed,
        "labels": run.labels,
        "after": run.after,
        **scores,
        "barcodes_seen": training["barcodes_seen"],
        "labelled": data.get("n_labelled", 0),
        "taxa": data.get("n_taxa", 0),
        "seconds": training["seconds"],
    }


def read_records(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def table_of(records: list[dict]) -> Iterator[str]:
    """Lines of Markdown: a row for each run, the mean over its seeds and how far apart they lie."""
    yield "| run | labels | barcodes seen | seeds | genus | over genera | species | last 313 nt |"
    yield "|" + "---|" * 8
    for name in dict.fromkeys(each["name"] for each in records):
        own = [each for each in records if each["name"] == name]
        cells = []
        for score in _SCORES:
            values = [each[score] for each in own]
            apart = f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.1f}{apart}")
        seen = sum(each["barcodes_seen"] for each in own) // len(own)
        yield f"| {name} | {own[0]['labels']} | {seen:,} | {len(own)} | {' | '.join(cells)} |"


def draw(runs: list[Run], results: Path) -> None:
    """curve.png: held-out species whose nearest neighbour is of their genus, by barcodes seen."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for run in runs:
        lines = read_records(run.folder(results / "runs") / "metrics.jsonl")
        points = [
            (line["step"] * int(run.arguments["batch_size"]), 100 * line[key])
            for line in lines
            if (key := "validation_genus_accuracy") in line
        ]
        if run.seed == 0 and len(points) > 2:
            axes.plot(*zip(*points, strict=True), marker="o", label=run.name)
    axes.set(xlabel="barcodes seen", ylabel="genus of held-out species, % right")
    axes.set_xscale("symlog", linthresh=6400)
    axes.legend()
    figure.savefig(results / "curve.png", dpi=120)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("barcodes", help="Parquet file with labels and the column split")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder RESULTS")
    parser.add_argument("--only", nargs="*", default=[], help="names of runs")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    results: Path = options.output
    results.mkdir(parents=True, exist_ok=True)
    barcodes = pd.read_parquet(options.barcodes)
    runs = read_manifest(MANIFEST.with_name("manifest-pretraining.yaml"))
    judge, path = Judge(barcodes), results / "records.jsonl"
    for run in runs:
        records = read_records(path)
        done = {(each["name"], each["seed"]) for each in records}
        if (run.name, run.seed) in done or (options.only and run.name not in options.only):
            continue
        print(f"{time.strftime('%H:%M:%S')} {run.key}", flush=True)
        train(run, results, barcodes)
        records.append(record(run, results, judge.scores(run.folder(results / "runs") / "last")))
        write_whole_text(path, "".join(json.dumps(each) + "\n" for each in records))
        write_whole_text(results / "table.md", "\n".join(table_of(records)) + "\n")
        draw(runs, results)
        print(json.dumps(records[-1]), flush=True)


if __name__ == "__main__":
    with errors_in_a_line("experiments.pretraining_pays"):
        main()
