"""Robustness: the probe's accuracy as tokens are dropped or masked (paper, Figure 3).

The paper's code for it was never released in working form. Here "drop" removes tokens and the
others keep their positions, "mask" puts [MASK] in their place; either happens to the queries alone
or to the reference too.
"""

from __future__ import annotations

import numpy as np

from barcodemae.encoders.corruption import Corruption
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation import statistics
from barcodemae.evaluation.context import Context, Row
from barcodemae.evaluation.scores import record
from barcodemae.evaluation.tasks import genus_probe

TASK = "robustness"
SCOPES = ("query", "both")


def check(context: Context) -> None:
    genus_probe.check(context)
    for share in context.settings.shares:
        if not 0 <= share < 1:
            raise BarcodeMAEError(f"--shares {share}: a share of tokens is at least 0 and below 1")


def run(row: Row, context: Context) -> list[dict]:
    """Accuracy at each share, for each kind of corruption and each scope."""
    settings = context.settings
    truth = context.query.labels(settings.rank)
    truth = truth[truth != ""]
    groups = context.query.species_groups(settings.rank)
    records = []
    for kind in row.encoder.corruptions:
        for scope in SCOPES:
            for share in settings.shares:
                # Nothing masked is the plain probe, whatever the kind and the scope.
                corruption = Corruption(kind, share, settings.seed) if share else None
                named = genus_probe.name_queries(row, context, corruption, scope == "both")
                codes = statistics.encode(truth, np.array(named["labels"]))
                interval = statistics.bootstrap_intervals(
                    *codes, settings.bootstrap, settings.seed, groups
                )["accuracy"]
                how = {"kind": kind, "scope": scope, "share": share}
                records.append(
                    record(
                        row.model,
                        TASK,
                        "accuracy",
                        statistics.scores(*codes)["accuracy"],
                        interval=interval,
                        n=len(truth),
                        settings={**genus_probe.protocol(row, context), **how},
                        seed=settings.seed,
                        duration=named["wall_seconds"],
                    )
                )
    return records
