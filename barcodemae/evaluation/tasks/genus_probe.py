"""Genus probe: name each query by its nearest references (paper, section 3.2)."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from barcodemae.encoders.corruption import Corruption
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation import statistics
from barcodemae.evaluation.comparison import pack
from barcodemae.evaluation.context import Context, Row
from barcodemae.evaluation.scores import records
from barcodemae.evaluation.splits import digest
from barcodemae.identification.neighbours import nearest, vote
from barcodemae.store import Stopwatch, content_key

TASK = "genus-probe"


def check(context: Context) -> None:
    settings, rank = context.settings, context.settings.rank
    reference, query = context.reference, context.query
    for barcodes in (reference, query):
        unlabelled = int((barcodes.labels(rank) == "").sum())
        if unlabelled == len(barcodes):
            raise BarcodeMAEError(
                f"no barcode of the split {barcodes.name!r} has a {rank}. Choose another --rank "
                f"or fill in the column {rank!r}."
            )
        if unlabelled:
            context.warnings.append(
                f"{unlabelled} of {len(barcodes)} barcodes of {barcodes.name} have no {rank} and "
                "are left out of the probe"
            )
    labelled = int((reference.labels(rank) != "").sum())
    if labelled < 2:
        raise BarcodeMAEError(
            f"the reference {reference.name!r} has one barcode with a {rank}: every query would "
            "get its name. Give a reference of at least two."
        )
    if not 1 <= settings.neighbours <= labelled:
        raise BarcodeMAEError(
            f"--neighbours {settings.neighbours}: the reference has {labelled} barcodes with a "
            f"{rank}; give 1 to {labelled}"
        )
    if settings.temperature < 0:
        raise BarcodeMAEError(f"--temperature {settings.temperature}: must be 0 or more")
    missed = unreachable(context)
    if missed.all():
        raise BarcodeMAEError(
            f"no {rank} of the query {query.name!r} occurs in the reference {reference.name!r}, so "
            "no query could be classified correctly. Choose other splits or a higher --rank."
        )
    if missed.any():
        context.warnings.append(
            f"{missed.sum()} of {len(missed)} queries have a {rank} that the reference lacks: they "
            "are counted as wrong (unreachable)"
        )
    shared = set(reference.sequences) & set(query.sequences)
    if shared:
        context.warnings.append(
            f"{len(shared)} barcodes stand in the reference {reference.name} and in the query "
            f"{query.name}: the probe is easier by them"
        )


def unreachable(context: Context) -> np.ndarray:
    """(labelled queries,) bool: whether the reference lacks the query's taxon."""
    labels = context.query.labels(context.settings.rank)
    return ~np.isin(labels[labels != ""], context.reference.labels(context.settings.rank))


def run(row: Row, context: Context) -> list[dict]:
    """Accuracy, balanced accuracy and F1, their intervals, and times.

    See also `context.right` and `context.queries`.
    """
    settings = context.settings
    named = name_queries(row, context)
    truth = context.query.labels(settings.rank)
    truth = truth[truth != ""]
    labels = np.array(named["labels"])
    context.right[row.model] = pack(labels == truth)
    codes = statistics.encode(truth, labels)
    groups = context.query.species_groups(settings.rank)
    context.queries = {
        "species": groups.tolist(),
        "taxon": np.unique(truth, return_inverse=True)[1].tolist(),
    }
    intervals = statistics.bootstrap_intervals(*codes, settings.bootstrap, settings.seed, groups)
    common = {
        "n": len(truth),
        "settings": protocol(row, context),
        "seed": settings.seed,
        "duration": named["wall_seconds"],
    }
    values = statistics.scores(*codes)
    values |= {metric: named[metric] for metric in ("wall_seconds", "cpu_seconds")}
    values["unreachable_queries"] = int(unreachable(context).sum())
    return records(row.model, TASK, values, intervals, **common)


def protocol(row: Row, context: Context) -> dict:
    settings = context.settings
    return {
        "reference": settings.reference,
        "query": settings.query,
        "rank": settings.rank,
        "neighbours": settings.neighbours if row.encoder else None,
        **({"temperature": settings.temperature} if settings.temperature and row.encoder else {}),
        **row.options,
    }


def name_queries(
    row: Row,
    context: Context,
    corruption: Corruption | None = None,
    corrupt_reference: bool = False,
) -> dict:
    """Name the labelled queries: `labels` (n,), `wall_seconds`, `cpu_seconds`; from the store."""
    settings = context.settings
    key = content_key(
        task=TASK,
        row=context.fingerprint(row),
        settings=[settings.rank, settings.neighbours, settings.temperature, settings.seed],
        barcodes=[context.reference.content, context.query.content],
        labels=[digest(s.labels(settings.rank)) for s in (context.reference, context.query)],
        corruption=[asdict(corruption), corrupt_reference] if corruption else None,
    )
    if row.aligner is not None:
        return context.store.values(key, lambda: _by_alignment(row, context))
    return context.store.values(
        key, lambda: _by_embedding(row, context, corruption, corrupt_reference)
    )


def _by_alignment(row: Row, context: Context) -> dict:
    rank = context.settings.rank
    reference = context.reference.table[context.reference.labels(rank) != ""]
    query = context.query.table[context.query.labels(rank) != ""]
    named = row.aligner.name_queries(
        reference["nucleotides"].tolist(),
        reference[rank].tolist(),
        query["nucleotides"].tolist(),
        context.settings.seed,
    )
    return vars(named)


def _by_embedding(
    row: Row, context: Context, corruption: Corruption | None, corrupt_reference: bool
) -> dict:
    rank = context.settings.rank
    query = context.embed(row, context.query, corruption)
    reference = context.embed(row, context.reference, corruption if corrupt_reference else None)
    watch = Stopwatch()
    transform = context.transform_of(row)
    labels = context.reference.labels(rank)
    known = labels != ""
    taxa, codes = np.unique(labels[known], return_inverse=True)
    similarities, indices = nearest(
        transform(reference.vectors)[known],
        transform(query.vectors)[context.query.labels(rank) != ""],
        context.settings.neighbours,
    )
    winners, _ = vote(similarities, codes[indices], context.settings.temperature)
    wall, cpu = watch.read()
    return {
        "labels": taxa[winners].tolist(),
        "wall_seconds": wall + query.wall_seconds + reference.wall_seconds,
        "cpu_seconds": cpu + query.cpu_seconds + reference.cpu_seconds,
    }
