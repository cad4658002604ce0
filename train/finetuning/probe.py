"""Linear probes: a head fitted to the embeddings of a frozen encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from barcodemae.encoders.embedder import Embedder
from barcodemae.encoders.pretrained import hash_embedder
from barcodemae.identification import softmax_regression
from barcodemae.identification.lineages import IGNORED, Lineages
from barcodemae.store import Store, content_key
from train.finetuning.heads import linear
from train.finetuning.labels import LabelledBarcodes
from train.finetuning.split_reports import accuracies


def fit_probe(
    kind: str,
    embedder: Embedder,
    lineages: Lineages,
    training: LabelledBarcodes,
    validation: LabelledBarcodes,
    cache: Path,
) -> tuple[nn.Linear, list[dict]]:
    """Fit a head for the finest rank; the taxa above follow from it.

    Args:
        kind: "sgd", softmax regression at the paper's settings, or "logistic_regression",
            scikit-learn's (L2, C = 1) on embeddings standardised dimension by dimension.
        cache: folder for the embeddings; the same encoder and barcodes are embedded once.

    Returns:
        The head, which stands on the embeddings as they are, and its history: for each pass over
        the data `epoch`, `loss` and the accuracies on validation, in the names of the Trainer's
        log. A logistic regression, which is solved as a whole, has none.
    """
    is_labelled = training.labels[:, -1] != IGNORED
    labels = training.labels[is_labelled, -1]
    embeddings = cached_embeddings(embedder, training.nucleotides, cache)[is_labelled]
    if kind == "logistic_regression":
        return _fit_logistic_regression(embeddings, labels, training.seed), []
    unseen = torch.from_numpy(cached_embeddings(embedder, validation.nucleotides, cache))
    history = []

    def note(epoch: int, head: nn.Linear, loss: float) -> None:
        with torch.inference_mode():
            found = accuracies(head(unseen), validation.labels, lineages)
        found = {f"eval_{name}": value for name, value in found.items()}
        history.append({"epoch": epoch, "loss": loss, **found})

    head = softmax_regression.fit(
        embeddings, labels, seed=training.seed, after_epoch=note, progress=True
    )
    return head, history


def cached_embeddings(embedder: Embedder, sequences: list[str], cache: Path) -> np.ndarray:
    """(n, dim) float32, from `cache` where this encoder has embedded these barcodes before."""
    key = content_key(encoder=hash_embedder(embedder), sequences=sequences)
    compute = lambda: {"embeddings": embedder.embed(sequences, progress=True)}  # noqa: E731
    return Store(cache).arrays(key, compute)["embeddings"]


def _fit_logistic_regression(embeddings: np.ndarray, labels: np.ndarray, seed: int) -> nn.Linear:
    scaler = StandardScaler().fit(embeddings)
    fitted = LogisticRegression(max_iter=1000, random_state=seed)
    fitted.fit(scaler.transform(embeddings), labels)
    weight, bias = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:  # scikit-learn then keeps the second class alone
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / scaler.scale_
    return linear(_float(weight), _float(bias - weight @ scaler.mean_))


def _float(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array, dtype=np.float32))
