"""How well a model names a split: figures as JSON and CSV, plots as PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    precision_recall_fscore_support,
    recall_score,
)

from barcodemae.identification.confidence import calibration_error
from barcodemae.identification.lineages import IGNORED, Lineages
from train.finetuning import curves as figures

_TOP = 5


def report_split(
    folder: Path,
    logits: torch.Tensor,
    labels: np.ndarray,
    lineages: Lineages,
    thresholds: dict[str, float],
    training_labels: np.ndarray,
) -> dict[str, dict]:
    """Judge the names of one split and write `FOLDER/RANK/` with a table and plots for each rank.

    Args:
        logits: (n, leaves), calibrated.
        labels: (n, ranks); what is IGNORED is left out.
        training_labels: (m, ranks), to count how many barcodes each taxon was learned from.

    Returns:
        rank -> metrics; ranks without a label are left out.
    """
    metrics = {}
    for column, rank in enumerate(lineages.ranks):
        known = labels[:, column] != IGNORED
        if not known.any():
            continue
        truth = labels[known, column]
        probabilities = lineages.logits(logits, rank).softmax(dim=1).numpy()[known]
        metrics[rank] = judge(probabilities, truth, thresholds.get(rank, np.inf))
        named = probabilities.argmax(axis=1)
        names = np.array(lineages.names[rank], dtype=object)
        into = folder / rank
        into.mkdir(parents=True, exist_ok=True)
        seen = training_labels[:, column]
        seen = np.bincount(seen[seen != IGNORED], minlength=len(names))
        per_class(truth, named, names, seen).to_csv(into / "per_class.csv", index=False)
        figures.reliability_plot(
            into / "reliability.png", probabilities.max(axis=1), named == truth
        )
        figures.confusion_plot(into / "confusion.png", truth, named, names)
    return metrics


def accuracies(logits: torch.Tensor, labels: np.ndarray, lineages: Lineages) -> dict[str, float]:
    """Share correctly classified at each rank, `accuracy_RANK`, and `accuracy`: the finest's.

    Where no barcode has a label at the finest rank, that of the finest that has some.

    Args:
        logits: (n, leaves).
        labels: (n, ranks); what is IGNORED is left out.
    """
    found = {}
    for column, rank in enumerate(lineages.ranks):
        known = labels[:, column] != IGNORED
        if known.any():
            named = lineages.logits(logits, rank).argmax(dim=1).numpy()
            found[f"accuracy_{rank}"] = float((named == labels[:, column])[known].mean())
    return {**found, "accuracy": list(found.values())[-1]}


def judge(probabilities: np.ndarray, truth: np.ndarray, threshold: float) -> dict[str, float]:
    """Metrics of probabilities (n, taxa) against the taxa (n,) that are true.

    Balanced accuracy is the mean over the taxa that occur in `truth`; F1 macro averages over the
    taxa that occur or were named.
    """
    named, surest = probabilities.argmax(axis=1), probabilities.max(axis=1)
    top = np.argpartition(-probabilities, min(_TOP, probabilities.shape[1]) - 1, axis=1)[:, :_TOP]
    is_right, is_confident = named == truth, surest >= threshold
    occurring = np.unique(truth)
    recall = recall_score(truth, named, labels=occurring, average="macro", zero_division=0)
    confident_accuracy = float(is_right[is_confident].mean()) if is_confident.any() else None
    return {
        "barcodes": len(truth),
        "taxa": len(occurring),
        "accuracy": float(accuracy_score(truth, named)),
        "balanced_accuracy": float(recall),
        "f1_macro": float(f1_score(truth, named, average="macro", zero_division=0)),
        "f1_weighted": float(f1_score(truth, named, average="weighted", zero_division=0)),
        f"top_{_TOP}": float((top == truth[:, None]).any(axis=1).mean()),
        "calibration_error": calibration_error(surest, is_right, figures.BINS),
        "confident_share": float(is_confident.mean()),
        "confident_accuracy": confident_accuracy,
    }


def per_class(
    truth: np.ndarray, named: np.ndarray, names: np.ndarray, seen: np.ndarray
) -> pd.DataFrame:
    """A row for each taxon that occurs or was named, the most frequent first.

    `confused_with` is the wrong name that its barcodes got most often.
    """
    taxa = np.union1d(truth, named)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, named, labels=taxa, zero_division=0
    )
    wrong = pd.Series(names[named[named != truth]]).groupby(names[truth[named != truth]])
    confused = wrong.agg(lambda given: given.mode()[0]) if len(wrong) else {}
    table = pd.DataFrame(
        {
            "taxon": names[taxa],
            "training_barcodes": seen[taxa],
            "barcodes": support,
            "precision": precision,
            "recall": recall,
            "f1": f1,
            "confused_with": pd.Series(names[taxa]).map(dict(confused)),
        }
    )
    return table.sort_values(["barcodes", "taxon"], ascending=[False, True])
