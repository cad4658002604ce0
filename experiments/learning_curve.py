"""How much pretraining it takes: genus accuracy of unseen species at every kept checkpoint.

    python experiments/learning_curve.py RUN --data barcodes.parquet -o curve

Give the run `--keep_checkpoints 0`. Writes curve.json and curve.png: 1-NN (cosine) from `--query`
to `--reference`, of the embeddings as they are and centred and whitened on the reference. Run
again, it adds the checkpoints that have come since.
"""

import argparse
import json
from pathlib import Path

import matplotlib
import numpy as np
import torch
from safetensors.torch import load_file
from sklearn.neighbors import KNeighborsClassifier
from tqdm import tqdm

from barcodemae import BarcodeMAEConfig, BarcodeMAEForMaskedLM
from barcodemae.data import read_barcodes
from barcodemae.encoders.embedder import Embedder
from barcodemae.identification.transforms import fit
from barcodemae.outputs import write_whole_text

matplotlib.use("agg")
from matplotlib import pyplot as plt  # noqa: E402  (after the choice of backend)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="OUTPUT_DIR of train.pretrain")
    parser.add_argument("--data", required=True, help="barcodes with genus and split")
    parser.add_argument("--reference", default="train")
    parser.add_argument("--query", default="val_unseen")
    parser.add_argument("-o", "--output", type=Path, required=True, help="without a suffix")
    arguments = parser.parse_args()

    parts = [
        read_barcodes(arguments.data, split=split).filter(lambda row: row["genus"] is not None)
        for split in (arguments.reference, arguments.query)
    ]
    config = BarcodeMAEConfig.from_pretrained(arguments.run / "best")
    record = json.loads((arguments.run / "best" / "training.json").read_text())
    global_batch = record["barcodes_seen"] // record["steps"]
    table = arguments.output.with_suffix(".json")
    points = json.loads(table.read_text()) if table.exists() else []
    measured = {point["step"] for point in points}
    for step, weights in tqdm([(0, None), *checkpoints(arguments.run)], unit="checkpoint"):
        if step in measured:
            continue
        torch.manual_seed(0)
        model = BarcodeMAEForMaskedLM(config)
        if weights:
            model.load_state_dict(load_file(weights))
        embedder = Embedder(model.barcodemae)
        reference, query = (
            embedder.embed(part["nucleotides"][:], progress=False) for part in parts
        )
        genera = [np.array(part["genus"][:]) for part in parts]
        whiten = fit(("whiten",), reference, genera[0])
        points.append(
            {
                "step": step,
                "barcodes": step * global_batch,
                "raw": accuracy(reference, query, *genera),
                "whitened": accuracy(whiten(reference), whiten(query), *genera),
            }
        )
        write(arguments.output, points, arguments)


def checkpoints(run: Path) -> list[tuple[int, Path]]:
    """(step, weights) of every complete checkpoint, oldest first."""
    found = (run / "checkpoints").glob("step-*/model.safetensors")
    steps = ((path.parent.name.removeprefix("step-"), path) for path in found)
    return sorted((int(step), path) for step, path in steps if step.isdigit())


def accuracy(reference, query, reference_genera, query_genera) -> float:
    nearest = KNeighborsClassifier(1, metric="cosine", algorithm="brute")
    return float(nearest.fit(reference, reference_genera).score(query, query_genera))


def write(output: Path, points: list[dict], arguments: argparse.Namespace) -> None:
    write_whole_text(output.with_suffix(".json"), json.dumps(points, indent=2) + "\n")
    figure, axis = plt.subplots(figsize=(6, 4))
    for name in ("raw", "whitened"):
        values = [100 * point[name] for point in points]
        axis.plot([point["barcodes"] for point in points], values, marker="o", label=name)
    axis.set_xlabel("barcodes seen in pretraining")
    axis.set_ylabel(f"genus accuracy, {arguments.query} (%)")
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    figure.savefig(output.with_suffix(".png"), dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
