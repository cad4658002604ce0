"""Linear probe: a linear layer on frozen embeddings names the species of unseen barcodes.

How it is fitted: `barcodemae.identification.softmax_regression`.
"""

from __future__ import annotations

import numpy as np
import torch

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation import statistics
from barcodemae.evaluation.context import Context, Row
from barcodemae.evaluation.scores import records
from barcodemae.evaluation.splits import digest
from barcodemae.identification import softmax_regression
from barcodemae.identification.transforms import dense
from barcodemae.store import Stopwatch, content_key

TASK = "linear-probe"
RANK = "species"


def check(context: Context) -> None:
    reference, seen = context.reference, context.seen
    known, asked = set(reference.labels(RANK)) - {""}, seen.labels(RANK)
    if len(known) < 2:
        raise BarcodeMAEError(
            f"the linear probe needs at least two species; the split {reference.name!r} names "
            f"{len(known)}"
        )
    lacking = int((~np.isin(asked[asked != ""], list(known))).sum())
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
    groups = context.seen.species_groups(RANK)
    intervals = statistics.bootstrap_intervals(*codes, settings.bootstrap, settings.seed, groups)
    how = {
        "reference": settings.reference,
        "query": settings.seen,
        "rank": RANK,
        "epochs": settings.probe_epochs,
        **row.options,
    }
    common = {"n": len(codes[0]), "seed": settings.seed, "duration": named["seconds"]}
    scores = statistics.scores(*codes)
    return records(row.model, TASK, scores, intervals, settings=how, **common)


def _name_seen(row: Row, context: Context, known: np.ndarray) -> dict:
    settings, reference = context.settings, context.reference
    labels = reference.labels(RANK)
    key = content_key(
        task=TASK,
        row=context.fingerprint(row),
        barcodes=[reference.content, context.seen.content],
        labels=digest(labels),
        known=np.flatnonzero(known).tolist(),
        settings=[settings.probe_epochs, settings.seed],
    )

    def compute() -> dict:
        embedded = [context.embed(row, part) for part in (reference, context.seen)]
        watch = Stopwatch()
        transform = context.transform_of(row)
        train, test = dense(*(transform(part.vectors) for part in embedded))
        taxa, codes = np.unique(labels[labels != ""], return_inverse=True)
        layer = softmax_regression.fit(
            train[labels != ""],
            codes,
            epochs=settings.probe_epochs,
            seed=settings.seed,
            progress=context.progress,
        )
        with torch.inference_mode():
            named = layer(torch.from_numpy(test[known])).argmax(dim=1).numpy()
        seconds = watch.read()[0] + sum(part.wall_seconds for part in embedded)
        return {"labels": taxa[named].tolist(), "seconds": seconds}

    return context.store.values(key, compute)
