"""The main job in minutes on a CPU: simulate, train, build a library, identify, compare.

    python examples/demo.py --output_dir demo

Exits with an error unless the model that it trains names the genera of species that nobody has
barcoded yet better than 6-mers do. Its barcodes are simulated: on them 6-mers, VSEARCH and BLAST
are about as good as on public ones, which proves nothing about the models.
"""

import argparse
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from barcodemae.cli import app
from barcodemae.data import write_simulated
from barcodemae.data.grid import coi_grid
from barcodemae.encoders import load_encoder
from barcodemae.evaluation.aligners import Aligner
from barcodemae.identification.neighbours import nearest
from train.loop.parsing import parse_arguments
from train.pretrain import run_of

PROJECT = Path(__file__).resolve().parent.parent
SIZE = {"orders": 4, "families": 16, "genera": 240, "species": 900, "barcodes": 4500}
READS = {"ambiguous": 0.1, "truncated": 0.2, "primers": 0.2, "mini": 0.1, "reversed": 0.05}
SHORT = 420  # nucleotides: below it a record is a mini-barcode


@dataclass
class Barcodes:
    """The simulated ones, by what they are for; of the queries, which are mini-barcodes."""

    reference: pd.DataFrame
    query: pd.DataFrame
    short: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output_dir", type=Path, default=Path("demo"))
    parser.add_argument("--max_steps", type=int, help="of training; default: configs/demo.yaml")
    arguments = parser.parse_args()
    output = arguments.output_dir.resolve()
    output.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()

    step("Simulate barcodes: species, genera, primers, mini-barcodes, both strands")
    table = output / "barcodes.csv"
    write_simulated(table, seed=1, unlabelled=0.4, **SIZE, **READS)
    barcodes = divided(pd.read_csv(table, dtype=str))

    step(f"The shipped model names the genera of {len(barcodes.query)} barcodes of unseen species")
    rows = {"shipped model": by_encoder("shipped", barcodes)}
    print(f"   {rows['shipped model'].mean():.1%} right")

    step("Train a small BarcodeMAE on the grid")
    train(table, output / "run", arguments.max_steps)
    rows = {"this model": by_encoder(str(output / "run/best"), barcodes), **rows}

    step("Build a library, and identify what it holds and what it does not")
    identify(table, output)

    step("Genus of barcodes of unseen species, by the nearest reference")
    for name, spec in (("sites of the grid", "sites"), ("6-mer frequencies", "kmer:6")):
        rows[name] = by_encoder(spec, barcodes)
    if shutil.which("vsearch"):
        rows["VSEARCH"] = by_vsearch(barcodes)
    print_table(rows, barcodes)
    print(f"\n   {output / 'report.html'} is the report, {output / 'verdicts.tsv'} its table.")
    print(f"   {time.perf_counter() - begin:.0f} seconds in all")
    if not beats(rows["this model"], rows["6-mer frequencies"]):
        sys.exit("The model is no better than 6-mer frequencies: something is broken.")


def step(title: str) -> None:
    step.number = getattr(step, "number", 0) + 1
    print(f"\n{step.number}. {title}", flush=True)


def divided(table: pd.DataFrame) -> Barcodes:
    """References, and queries of species that they lack.

    6-mers and `vsearch --strand plus` read one strand, so turned barcodes are no part of this.
    """
    forward = table[coi_grid().place(table["dna_barcode"].tolist()).strand > 0]
    query = forward[forward["split"].isin(["key_unseen", "val_unseen", "test_unseen"])]
    short = (query["dna_barcode"].str.len() < SHORT).to_numpy()
    return Barcodes(forward[forward["split"] == "train"], query, short)


def train(table: Path, run: Path, max_steps: int | None) -> None:
    """What `accelerate launch -m train.pretrain --config train/configs/demo.yaml` does."""
    options = ["--config", str(PROJECT / "train/configs/demo.yaml")]
    options += ["--train_data", str(table), "--output_dir", str(run)]
    run_of(parse_arguments(options + (["--max_steps", str(max_steps)] if max_steps else []))).run()


def identify(table: Path, output: Path) -> None:
    """What `barcodemae library build` and `barcodemae identify` do, and the verdicts by truth."""
    queries = pd.read_csv(table, dtype=str)
    truths = {"val": "known species", "val_unseen": "new species"}
    truths["other_heldout"] = "genus not in the library"
    queries = queries[queries["split"].isin(truths)]
    queries.to_csv(output / "queries.csv", index=False)
    library, verdicts = str(output / "library"), output / "verdicts.tsv"
    shutil.rmtree(library, ignore_errors=True)
    command("library", "build", str(table), "--split", "train", "-o", library)
    report = ["--report", str(output / "report.html")]
    command("identify", str(output / "queries.csv"), "-l", library, "-o", str(verdicts), *report)
    found = pd.read_csv(verdicts, sep="\t", dtype=str).set_index("id")["verdict"]
    truth = queries.set_index("processid")["split"].map(truths)
    print(pd.crosstab(truth.rename("truth \\ verdict"), found).to_string())


def command(*words: str) -> None:
    print("   $ barcodemae", *words, flush=True)
    app(list(words), standalone_mode=False)


def by_encoder(spec: str, barcodes: Barcodes) -> np.ndarray:
    """(queries,) whether the nearest reference by cosine is of the query's genus."""
    encoder = load_encoder(spec)
    parts = (barcodes.reference, barcodes.query)
    reference, query = (encoder.embed(part["dna_barcode"].tolist()) for part in parts)
    best = nearest(reference, query)[1][:, 0]
    return right(barcodes, barcodes.reference["genus"].to_numpy()[best])


def by_vsearch(barcodes: Barcodes) -> np.ndarray:
    found = Aligner("vsearch", threads=2).name_queries(
        barcodes.reference["dna_barcode"].tolist(),
        barcodes.reference["genus"].tolist(),
        barcodes.query["dna_barcode"].tolist(),
        seed=0,
    )
    return right(barcodes, np.array(found.labels))


def right(barcodes: Barcodes, genera: np.ndarray) -> np.ndarray:
    return genera == barcodes.query["genus"].to_numpy()


def print_table(rows: dict[str, np.ndarray], barcodes: Barcodes) -> None:
    short, genera = barcodes.short, barcodes.reference["genus"].nunique()
    print(f"   {len(barcodes.reference)} references of {genera} genera; % right")
    print(f"   {'':20s} whole ({(~short).sum()})  mini-barcodes ({short.sum()})")
    for name, found in rows.items():
        print(f"   {name:20s} {found[~short].mean():11.1%}  {found[short].mean():19.1%}")


def beats(model: np.ndarray, kmers: np.ndarray) -> bool:
    """Whether the model names more of the queries right."""
    return bool(model.mean() > kmers.mean())


if __name__ == "__main__":
    main()
