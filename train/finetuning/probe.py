"""Linear probes: a head fitted to the embeddings of a frozen encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F

from barcodemae.embedding import Embedder
from barcodemae.evaluation.encoders.barcodemae import hash_weights
from barcodemae.evaluation.store import Store, content_key
from barcodemae.lineages import IGNORED
from train.finetuning.heads import linear
from train.finetuning.labels import LabelledBarcodes

# The authors' released settings of the probe.
_EPOCHS, _BATCH_SIZE = 200, 1024
_SGD = {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-5}


def fit_probe(kind: str, embedder: Embedder, training: LabelledBarcodes, cache: Path) -> nn.Linear:
    """Fit a head for the finest rank; the taxa above follow from it.

    The embeddings are standardised, dimension by dimension; the head that is returned has this
    built in, so it stands on the encoder as it is.

    Args:
        kind: "sgd", softmax regression at the paper's settings, or "logistic_regression",
            scikit-learn's (L2, C = 1).
        cache: folder for the embeddings; the same encoder and barcodes are embedded once.
    """
    is_labelled = training.labels[:, -1] != IGNORED
    labels = training.labels[is_labelled, -1]
    embeddings = cached_embeddings(embedder, training.nucleotides, cache)[is_labelled]
    scaler = StandardScaler().fit(embeddings)
    fit = {"sgd": _fit_by_sgd, "logistic_regression": _fit_logistic_regression}[kind]
    weight, bias = fit(scaler.transform(embeddings), labels, training.seed)
    weight = weight / scaler.scale_
    return linear(_float(weight), _float(bias - weight @ scaler.mean_))


def cached_embeddings(embedder: Embedder, sequences: list[str], cache: Path) -> np.ndarray:
    """(n, dim) float32, from `cache` where this encoder has embedded these barcodes before."""
    key = content_key(encoder=hash_weights(embedder.model), sequences=sequences)
    compute = lambda: {"embeddings": embedder.embed(sequences, progress=True)}  # noqa: E731
    return Store(cache).arrays(key, compute)["embeddings"]


def _fit_by_sgd(
    embeddings: np.ndarray, labels: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    generator = torch.Generator().manual_seed(seed)
    x, y = _float(embeddings), torch.from_numpy(labels)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = nn.Linear(x.shape[1], int(y.max()) + 1)
    optimizer = torch.optim.SGD(head.parameters(), **_SGD)
    for _ in range(_EPOCHS):
        for rows in torch.randperm(len(x), generator=generator).split(_BATCH_SIZE):
            loss = F.cross_entropy(head(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return head.weight.detach().numpy(), head.bias.detach().numpy()


def _fit_logistic_regression(
    embeddings: np.ndarray, labels: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    fitted = LogisticRegression(max_iter=1000, random_state=seed).fit(embeddings, labels)
    if len(fitted.classes_) == 2:  # scikit-learn then keeps the second class alone
        return np.concatenate([-fitted.coef_, fitted.coef_]) / 2, np.concatenate(
            [-fitted.intercept_, fitted.intercept_]
        ) / 2
    return fitted.coef_, fitted.intercept_


def _float(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array, dtype=np.float32))
