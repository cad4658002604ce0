"""The main job in minutes on a CPU: simulate, pretrain, load, embed, identify, draw.

    python examples/demo.py --output_dir demo

Exits with an error unless pretraining has learnt something: masked k-mers of held-out barcodes
must be named clearly better than by the best guess that ignores the barcode. The genus accuracies
are printed as they come out; minutes of training on simulated barcodes prove nothing about them.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.manifold import TSNE
from sklearn.neighbors import KNeighborsClassifier
from transformers import AutoModel, AutoTokenizer

from barcodemae.data import write_simulated

matplotlib.use("agg")
from matplotlib import pyplot as plt  # noqa: E402  (after the choice of backend)

PROJECT = Path(__file__).resolve().parent.parent
CLADES = {"orders": 3, "families": 6, "genera": 24, "species": 120, "barcodes": 3000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output_dir", type=Path, default=Path("demo"))
    parser.add_argument(
        "--max_steps", type=int, help="of pretraining; default: train/configs/demo.yaml"
    )
    arguments = parser.parse_args()
    output_dir = arguments.output_dir.resolve()
    output_dir.mkdir(parents=True, exist_ok=True)
    begin = time.perf_counter()

    print("1. Simulate barcodes", CLADES)
    table = output_dir / "barcodes.csv"
    write_simulated(table, seed=0, **CLADES)
    barcodes = pd.read_csv(table)

    print("2. Pretrain a small BarcodeMAE")
    run = output_dir / "run"
    pretrain(table, run, arguments.max_steps)

    print("3. Load it with AutoModel and embed barcodes of species that it has never seen")
    reference = barcodes[barcodes.split == "train"]
    query = barcodes[barcodes.split.str.endswith("_unseen")]
    trained = AutoModel.from_pretrained(run / "best", trust_remote_code=True).eval()
    torch.manual_seed(0)
    untrained = AutoModel.from_config(trained.config, trust_remote_code=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(run / "best", trust_remote_code=True)
    embeddings = {
        name: [embed(model, tokenizer, part.dna_barcode) for part in (reference, query)]
        for name, model in (("untrained encoder", untrained), ("pretrained encoder", trained))
    }
    embeddings["6-mer frequencies"] = kmer_frequencies(reference.dna_barcode, query.dna_barcode)

    print(f"\n4. Genus of {len(query)} barcodes of unseen species, 1-NN by cosine")
    print(f"   ({len(reference)} reference barcodes of {reference.genus.nunique()} genera)")
    for name, (known, unknown) in embeddings.items():
        nearest = KNeighborsClassifier(1, metric="cosine").fit(known, reference.genus)
        print(f"   {name:20s} {nearest.score(unknown, query.genus):6.1%}")

    picture = output_dir / "tsne.png"
    draw(picture, embeddings, query.genus)
    print(f"\n5. t-SNE of those barcodes: {picture}")
    learnt = report(run)
    print(f"\n{time.perf_counter() - begin:.0f} seconds in all")
    if not learnt:
        sys.exit("The model has not learnt more than the context-free guess: something is broken.")


def pretrain(table: Path, run: Path, max_steps: int | None) -> None:
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes=1"]
    launcher += ["--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]
    if not torch.cuda.is_available():
        launcher += ["--cpu", f"--num_cpu_threads_per_process={torch.get_num_threads()}"]
    script = ["-m", "train.pretrain", "--config", "train/configs/demo.yaml"]
    script += ["--train_data", str(table), "--output_dir", str(run)]
    if max_steps:
        script += ["--max_steps", str(max_steps)]
    subprocess.run([*launcher, *script], cwd=PROJECT, check=True)


@torch.inference_mode()
def embed(model, tokenizer, sequences: pd.Series) -> np.ndarray:
    """(n, hidden) embeddings, with nothing but transformers."""
    batches = [list(sequences[start : start + 64]) for start in range(0, len(sequences), 64)]
    return np.concatenate(
        [
            model(**tokenizer(batch, padding=True, return_tensors="pt")).pooler_output.numpy()
            for batch in batches
        ]
    )


def kmer_frequencies(*parts: pd.Series) -> list:
    """Counts of overlapping 6-mers, (n, 6-mers) for each part."""
    counter = CountVectorizer(analyzer="char", ngram_range=(6, 6), lowercase=False)
    counter.fit(pd.concat(parts))
    return [counter.transform(part) for part in parts]


def draw(path: Path, embeddings: dict, genera: pd.Series) -> None:
    figure, axes = plt.subplots(1, len(embeddings), figsize=(5 * len(embeddings), 5))
    colours, names = pd.factorize(genera)
    for axis, (name, (_, points)) in zip(axes, embeddings.items(), strict=True):
        points = points.toarray() if hasattr(points, "toarray") else points
        flat = TSNE(metric="cosine", init="random", perplexity=15, random_state=0)
        axis.scatter(*flat.fit_transform(points).T, c=colours, cmap="tab20", s=12)
        axis.set(title=name, xticks=[], yticks=[])
    figure.suptitle(f"{len(genera)} barcodes of unseen species, coloured by {len(names)} genera")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def report(run: Path) -> bool:
    """Print validation against the context-free guess; whether it is clearly better."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    guess = next(line for line in lines if "guess_loss" in line)
    model = min(
        (line for line in lines if "validation_loss" in line),
        key=lambda line: line["validation_loss"],
    )
    print("\n6. Masked k-mers of held-out barcodes")
    print(f"   {'':28s}   loss  accuracy")
    print(
        f"   {'k-mer frequencies by position':28s} {guess['guess_loss']:6.3f}"
        f"    {guess['guess_accuracy']:6.1%}"
    )
    print(
        f"   {'model, after ' + str(model['step']) + ' steps':28s}  {model['validation_loss']:6.3f}"
        f"    {model['validation_accuracy']:6.1%}"
    )
    return (
        model["validation_loss"] < 0.9 * guess["guess_loss"]
        and model["validation_accuracy"] > guess["guess_accuracy"] + 0.02
    )


if __name__ == "__main__":
    main()
