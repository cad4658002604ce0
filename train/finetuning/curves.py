"""The plots of a fine-tuning run."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams["text.parse_math"] = False  # names of taxa may hold $
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

from barcodemae.identification.confidence import calibration_error, reliability_bins  # noqa: E402

DPI = 150
BINS = 15  # of the reliability plot
_LARGEST = 20  # taxa in the confusion plot


def reliability_plot(path: Path, probability: np.ndarray, is_right: np.ndarray) -> None:
    """Accuracy against probability, and how many calls stand where."""
    mean, accuracy, share = reliability_bins(probability, is_right, BINS).T
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(4.5, 5.5), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    above.plot([0, 1], [0, 1], color="grey", linestyle=":", label="calibrated")
    above.plot(mean, accuracy, marker="o", label="model")
    error = calibration_error(probability, is_right, BINS)
    above.set(ylabel="accuracy", title=f"expected calibration error {error:.3f}")
    above.legend()
    below.bar(mean, share, width=0.04)
    below.set(xlabel="probability of the named taxon", ylabel="share of calls", xlim=(0, 1.02))
    _save(figure, path)


def confusion_plot(path: Path, truth: np.ndarray, named: np.ndarray, names: np.ndarray) -> None:
    """Among the taxa with the most barcodes: which name the barcodes of each one got, in shares."""
    taxa, counts = np.unique(truth, return_counts=True)
    largest = taxa[np.argsort(-counts, kind="stable")][:_LARGEST]
    shares = np.array(
        [[(named[truth == taxon] == other).mean() for other in largest] for taxon in largest]
    )
    elsewhere = 1 - shares.sum(axis=1, keepdims=True)
    figure, axes = plt.subplots(figsize=(8, 7), layout="constrained")
    image = axes.imshow(np.hstack([shares, elsewhere]), vmin=0, vmax=1, cmap="Blues")
    labels = [f"{names[taxon]} ({(truth == taxon).sum()})" for taxon in largest]
    axes.set_yticks(range(len(largest)), labels, fontsize=7)
    axes.set_xticks(
        range(len(largest) + 1), [*names[largest], "any other"], rotation=90, fontsize=7
    )
    axes.set(ylabel="true (barcodes)", xlabel="named", title=f"The {len(largest)} largest taxa")
    figure.colorbar(image, shrink=0.6, label="share of the true taxon's barcodes")
    _save(figure, path)


def learning_curves(path: Path, history: list[dict]) -> None:
    """Losses and validation accuracies over the epochs, from the Trainer's log."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    curves = [(left, "loss", "training"), (left, "eval_loss", "validation")]
    ranks = {key for entry in history for key in entry if key.startswith("eval_accuracy_")}
    curves += [(right, key, key.removeprefix("eval_accuracy_")) for key in sorted(ranks)]
    for axes, key, label in curves:
        points = [(entry["epoch"], entry[key]) for entry in history if key in entry]
        if points:
            axes.plot(*zip(*points, strict=True), marker=".", label=label)
    left.set(xlabel="epoch", ylabel="loss")
    right.set(xlabel="epoch", ylabel="validation accuracy")
    for axes in (left, right):
        if axes.lines:
            axes.legend()
    _save(figure, path)


def _save(figure, path: Path) -> None:
    figure.savefig(path, dpi=DPI)
    plt.close(figure)
