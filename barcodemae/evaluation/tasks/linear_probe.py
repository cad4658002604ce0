"""Linear probe: a linear layer on frozen embeddings names the species of unseen barcodes.

As the BarcodeBERT authors run it: embeddings standardised by one mean and one deviation, stochastic
gradient descent on the cross-entropy (learning rate 1, momentum 0.95, weight decay 1e-9, batches of
1024, 200 epochs).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation import statistics
from barcodemae.evaluation.barcodes import digest
from barcodemae.evaluation.context import Context, Row
from barcodemae.evaluation.records import record
from barcodemae.evaluation.store import Stopwatch, content_key
from barcodemae.evaluation.tasks.genus_probe import point_scores
from barcodemae.evaluation.transforms import dense

TASK = "linear-probe"
RANK = "species"
_BATCH, _RATE, _MOMENTUM, _DECAY = 1024, 1.0, 0.95, 1e-9


def check(context: Context) -> None:
    reference, seen = context.reference, context.seen
    taught, asked = set(reference.labels(RANK)) - {""}, seen.labels(RANK)
    if len(taught) < 2:
        raise BarcodeMAEError(
            f"the linear probe needs at least two species; the split {reference.name!r} names "
            f"{len(taught)}"
        )
    lacking = int((~np.isin(asked[asked != ""], list(taught))).sum())
    if lacking == (asked != "").sum():
        raise BarcodeMAEError(
            f"no species of the split {seen.name!r} is in {reference.name!r}: the linear probe "
            "names seen species alone. Choose another --seen"
        )
    if lacking:
        context.warnings.append(
            f"linear probe: {lacking} barcodes of {seen.name} are of species that "
            f"{reference.name} lacks and count as wrong"
        )


def run(row: Row, context: Context) -> list[dict]:
    """Accuracy, balanced accuracy and F1 of species, with intervals."""
    settings = context.settings
    truth = context.seen.labels(RANK)
    known = truth != ""
    named = _name_seen(row, context, known)
    codes = statistics.encode(truth[known], np.array(named["labels"]))
    intervals = statistics.bootstrap_intervals(*codes, settings.bootstrap, settings.seed)
    how = {
        "reference": settings.reference,
        "query": settings.seen,
        "rank": RANK,
        "epochs": settings.probe_epochs,
        "inference": list(row.variant),
        "supervised": row.settings["supervised"],
    }
    return [
        record(
            row.model,
            TASK,
            metric,
            value,
            interval=intervals[metric],
            n=len(codes[0]),
            settings=how,
            seed=settings.seed,
            duration=named["seconds"],
        )
        for metric, value in point_scores(*codes).items()
    ]


def _name_seen(row: Row, context: Context, known: np.ndarray) -> dict:
    settings, reference = context.settings, context.reference
    labels = reference.labels(RANK)
    key = content_key(
        task=TASK,
        row=row.fingerprint,
        barcodes=[reference.digest, context.seen.digest],
        labels=digest(labels),
        known=np.flatnonzero(known).tolist(),
        settings=[settings.probe_epochs, settings.seed, settings.rank],
    )

    def compute() -> dict:
        embedded = [context.embed(row, part) for part in (reference, context.seen)]
        watch = Stopwatch()
        transform = context.transform_of(row)
        train, test = dense(*(transform(part.vectors) for part in embedded))
        taxa, codes = np.unique(labels[labels != ""], return_inverse=True)
        named = fit_and_name(
            train[labels != ""],
            codes,
            test[known],
            epochs=settings.probe_epochs,
            seed=settings.seed,
            progress=context.progress,
        )
        seconds = watch.read()[0] + sum(part.wall_seconds for part in embedded)
        return {"labels": taxa[named].tolist(), "seconds": seconds}

    return context.store.values(key, compute)


def fit_and_name(
    train: np.ndarray,
    codes: np.ndarray,
    test: np.ndarray,
    *,
    epochs: int,
    seed: int,
    progress: bool = False,
) -> np.ndarray:
    """Fit on (m, dim) with labels (m,) 0..classes-1; returns the label (n,) of (n, dim)."""
    mean, deviation = train.mean(), train.std()
    inputs = torch.from_numpy((train - mean) / deviation).float()
    targets = torch.from_numpy(codes)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layer = nn.Linear(train.shape[1], int(codes.max()) + 1)
    optimizer = torch.optim.SGD(
        layer.parameters(), lr=_RATE, momentum=_MOMENTUM, weight_decay=_DECAY
    )
    for _ in tqdm(range(epochs), "linear probe", unit="epoch", delay=2, disable=not progress):
        for rows in torch.randperm(len(inputs), generator=generator).split(_BATCH):
            loss = nn.functional.cross_entropy(layer(inputs[rows]), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.inference_mode():
        return layer(torch.from_numpy((test - mean) / deviation).float()).argmax(dim=1).numpy()
