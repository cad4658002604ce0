"""How many genera are right when a part of the barcode is all there is, by the share of it.

    python -m benchmarks.partial_barcodes barcodes.parquet -o RESULTS --model NAME=MODEL ...

Queries are the barcodes of the split `val_unseen`, whose species the reference `train` lacks. Of
each a share is shown: one piece of it, as a shorter amplicon would be, or k-mers here and there,
the others read as N. The reference stays whole; the genus is that of the nearest neighbour (plain
cosine). RESULTS holds partial-barcodes.jsonl, .md and .png.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from barcodemae.data.grid import coi_grid
from barcodemae.encoders import load_encoder
from barcodemae.identification.neighbours import nearest
from barcodemae.outputs import write_whole_text
from grid_barcodemae import UNKNOWN, nucleotide_text
from train.loop.script import errors_in_a_line

SHARES = (0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
_PIECE = 6  # nucleotides that are shown or hidden together: a k-mer on the grid


def one_piece(codes: np.ndarray, share: float, generator: np.random.Generator) -> str:
    """A piece of a laid barcode (places,), anywhere in it, as a text of its own."""
    known = np.flatnonzero(codes < UNKNOWN)
    first, end = known[0], known[-1] + 1
    length = round(share * (end - first))
    start = int(generator.integers(first, end - length + 1))
    return nucleotide_text(codes[start : start + length])


def here_and_there(codes: np.ndarray, share: float, generator: np.random.Generator) -> str:
    """A laid barcode with a share of its k-mers; the others are N."""
    pieces = len(codes) // _PIECE
    known = (codes[: pieces * _PIECE].reshape(pieces, _PIECE) < UNKNOWN).any(axis=1)
    whole = np.flatnonzero(known)
    kept = generator.permutation(whole)[: max(1, round(share * len(whole)))]
    shown = np.full_like(codes, UNKNOWN)
    for piece in kept:
        place = slice(piece * _PIECE, (piece + 1) * _PIECE)
        shown[place] = codes[place]
    return nucleotide_text(shown)


KINDS = {"one piece": one_piece, "here and there": here_and_there}


def measure(models: dict[str, str], barcodes: pd.DataFrame, shares: Sequence[float]) -> list[dict]:
    """A record for each model, kind and share: percent right, over barcodes and over genera."""
    reference, queries = (barcodes[barcodes["split"] == s] for s in ("train", "val_unseen"))
    truth = queries["genus"].to_numpy(dtype=object)
    genera = reference["genus"].to_numpy(dtype=object)
    codes, placements = coi_grid().lay(queries["nucleotides"].tolist())
    codes, truth = codes[placements.placed], truth[placements.placed]
    records = []
    for name, spec in models.items():
        encoder = load_encoder(spec, "cpu")
        known = encoder.embed(reference["nucleotides"].tolist())
        for kind, make in KINDS.items():
            generator = np.random.default_rng(0)
            for share in shares:
                texts = [make(row, share, generator) for row in codes]
                _, nearest_rows = nearest(known, encoder.embed(texts), k=1)
                right = genera[nearest_rows[:, 0]] == truth
                over = pd.Series(right).groupby(truth).mean().mean()
                found = {"genus": round(100 * float(right.mean()), 2)}
                found["over_genera"] = round(100 * float(over), 2)
                records.append({"model": name, "kind": kind, "share": share, **found})
                print(records[-1], flush=True)
    return records


def table_of(records: list[dict]) -> str:
    shares = sorted({each["share"] for each in records})
    lines = ["| model | shown | " + " | ".join(f"{share:.0%}" for share in shares) + " |"]
    lines.append("|" + "---|" * (2 + len(shares)))
    for model, kind in dict.fromkeys((each["model"], each["kind"]) for each in records):
        own = {r["share"]: r["genus"] for r in records if (r["model"], r["kind"]) == (model, kind)}
        cells = " | ".join(f"{own[share]:.1f}" for share in shares)
        lines.append(f"| {model} | {kind} | {cells} |")
    return "\n".join(lines) + "\n"


def draw(records: list[dict], path: Path) -> None:
    table = pd.DataFrame(records)
    table["share"] *= 100
    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, kind in zip(figure.subplots(1, 2, sharey=True), KINDS, strict=True):
        lines = table[table["kind"] == kind].pivot(index="share", columns="model", values="genus")
        lines.plot(ax=axes, marker="o", title=kind, xlabel="share of the barcode shown, %")
        axes.set_ylabel("genus right, species never seen, %")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("barcodes", help="Parquet file with labels and the column split")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder RESULTS")
    parser.add_argument("--model", nargs="+", required=True, help="NAME=MODEL, as of `evaluate`")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    models = dict(each.split("=", 1) for each in options.model)
    columns = ["nucleotides", "genus", "split"]
    records = measure(models, pd.read_parquet(options.barcodes, columns=columns), SHARES)
    name = options.output / "partial-barcodes"
    lines = "".join(json.dumps(each) + "\n" for each in records)
    write_whole_text(name.with_suffix(".jsonl"), lines)
    write_whole_text(name.with_suffix(".md"), table_of(records))
    draw(records, name.with_suffix(".png"))


if __name__ == "__main__":
    with errors_in_a_line("benchmarks.partial_barcodes"):
        main()
