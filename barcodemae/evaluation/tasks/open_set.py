"""Open set: is a query of a species in the reference, and can the genus that is named be relied on?

`seen` holds barcodes of the reference's species, `query` of species that it lacks. A model answers
as `barcodemae identify` does, from a library that is built from the reference; an aligner by the
identity of its best hit (VSEARCH's SINTAX: by the support of the genus), which is no probability.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from barcodemae.data.references import References
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.context import Context, Row
from barcodemae.evaluation.scores import record
from barcodemae.evaluation.splits import BarcodeSet, digest
from barcodemae.identification import building, vectors
from barcodemae.identification.answers import RANKS
from barcodemae.identification.confidence import coverage, reliability
from barcodemae.identification.library import Library
from barcodemae.identification.verdicts import identify
from barcodemae.store import content_key

TASK = "open-set"
_OF_KNOWN, _OF_NEW = 0.99, 0.95  # accuracies at which coverage is told


def check(context: Context) -> None:
    reference = set(context.reference.labels("species"))
    if not reference - {""}:
        raise BarcodeMAEError(
            f"the reference {context.reference.name!r} has no species, so none can be known. Fill "
            "in the column `species`, or leave the task open-set out."
        )
    for barcodes, inside in ((context.seen, True), (context.query, False)):
        wrong = int((np.isin(barcodes.labels("species"), list(reference)) != inside).sum())
        if wrong == len(barcodes):
            where = "all lack" if inside else "all have"
            raise BarcodeMAEError(
                f"the species of {barcodes.name!r}: {where} barcodes in the reference. Give --seen "
                "a split of its species and --query one of others."
            )
        if wrong:
            context.warnings.append(
                f"open-set: {wrong} of {len(barcodes)} barcodes of {barcodes.name} count as "
                f"{'new' if inside else 'known'}, which their split is not for"
            )


def run(row: Row, context: Context) -> list[dict]:
    """AUROC of known against new, calibration error of the genus, coverage at an accuracy."""
    start = time.perf_counter()
    key = content_key(
        task=TASK,
        row=context.fingerprint(row),
        barcodes=[each.content for each in (context.reference, context.seen, context.query)],
        labels=[digest(context.reference.labels(rank)) for rank in (*RANKS, "dna_bin")],
    )
    answer = _by_alignment if row.aligner else _by_library
    found = context.store.values(key, lambda: answer(row, context))
    table = pd.concat([context.seen.table, context.query.table])
    species, genus = (table[rank].fillna("").to_numpy(dtype=str) for rank in ("species", "genus"))
    known = np.isin(species, context.reference.labels("species")) & (species != "")
    right = {
        "species": np.array(found["species"]) == species,
        "genus": (np.array(found["genus"]) == genus) & (genus != ""),
    }
    scores = {name: np.array(found[name]) for name in ("known", "genus_score")}
    values = {
        "auroc_known": roc_auc_score(known, scores["known"]),
        "coverage_of_known_at_99": coverage(
            scores["known"][known], right["species"][known], accuracy=_OF_KNOWN
        ),
        "coverage_of_new_at_95": coverage(
            scores["genus_score"][~known], right["genus"][~known], accuracy=_OF_NEW
        ),
        "genus_of_new": right["genus"][~known].mean(),
    }
    if not row.aligner:
        values["calibration_error_of_genus"] = reliability(scores["genus_score"], right["genus"])[
            "ece"
        ]
    settings = {
        "reference": context.settings.reference,
        "seen": context.settings.seen,
        "query": context.settings.query,
        "inference": list(row.variant),
    }
    duration = time.perf_counter() - start
    return [
        record(row.model, TASK, metric, value, n=len(table), settings=settings, duration=duration)
        for metric, value in values.items()
    ]


def _by_library(row: Row, context: Context) -> dict:
    inference = vectors.check_inference("+".join(row.variant) or "none", "")
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder) / "library"
        building.build(
            _references(context.reference),
            where,
            inference=inference,
            encoder=row.encoder,
            progress=context.progress,
        )
        library = Library(where)
        library.encoder = row.encoder
        parts = [
            identify(library, each.table["processid"].tolist(), each.whole)
            for each in (context.seen, context.query)
        ]
    table = pd.concat([part.table for part in parts])
    nearest = pd.concat(
        [
            part.table[["id"]].merge(
                part.neighbours[part.neighbours["position"] == 1], on="id", how="left"
            )
            for part in parts
        ]
    )
    return {
        "species": table["nearest_species"].tolist(),
        "genus": nearest["genus"].fillna("").tolist(),
        "known": table["p_species_known"].fillna(0).tolist(),
        "genus_score": table["p_genus"].fillna(0).tolist(),
    }


def _references(barcodes: BarcodeSet) -> References:
    """A split as what a library is built from."""
    table = barcodes.table.assign(copies=1, nucleotides=barcodes.whole)
    return References(datasets.Dataset.from_pandas(table))


def _by_alignment(row: Row, context: Context) -> dict:
    reference = context.reference.table.reset_index(drop=True)
    queries = [*context.seen.sequences, *context.query.sequences]
    genera = reference["genus"].fillna("").tolist()
    named = row.aligner.name_queries(
        reference["nucleotides"].tolist(), genera, queries, context.settings.seed
    )
    species = reference["species"].fillna("").tolist()
    hits = [species[place] if place >= 0 else "" for place in named.places]
    return {
        "species": hits,
        "genus": named.labels,
        "known": named.scores,
        "genus_score": named.scores,
    }
