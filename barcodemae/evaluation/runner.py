"""From a request to results: read, check, then work."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation import evaluator, report
from barcodemae.evaluation.barcodes import Barcodes
from barcodemae.evaluation.context import Context
from barcodemae.evaluation.settings import Settings
from barcodemae.evaluation.store import Store

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """One evaluation.

    Attributes:
        models: specs, see `encoders.load_encoder` and `aligners.Aligner`; LABEL=SPEC names a row.
        variants: inference options that get rows of their own.
        tasks: names of `tasks.NAMES`.
        settings: the protocol.
        data: files, data sets or Hub ids.
        prepare: whether barcodes are prepared as the paper's authors do.
        cache: folder of the store.
    """

    models: Sequence[str]
    variants: Sequence[tuple[str, ...]]
    tasks: Sequence[str]
    settings: Settings
    data: Sequence[str]
    prepare: bool
    cache: Path
    device: str | None = None
    batch_size: int = 64
    threads: int = 2
    trust_remote_code: bool = False


def read(request: Request) -> Context:
    """The barcodes of an evaluation, looked through for all that would stop it.

    Raises:
        BarcodeMAEError: bad input.
    """
    if not request.data:
        raise BarcodeMAEError("no barcodes: give --data FILES")
    splits = request.settings.splits(list(request.tasks))
    barcodes = Barcodes.read(request.data, splits, request.prepare)
    context = Context(barcodes, request.settings, Store(request.cache))
    evaluator.check(request.tasks, request.variants, context)
    return context


def run(request: Request) -> dict:
    """Evaluate; returns what results.json holds.

    Raises:
        BarcodeMAEError: bad input, found before any work, or no model that can be evaluated.
    """
    context = read(request)
    rows, skipped = evaluator.load_rows(
        request.models,
        request.variants,
        device=request.device,
        batch_size=request.batch_size,
        seed=request.settings.seed,
        threads=request.threads,
        trust_remote_code=request.trust_remote_code,
    )
    for row in skipped:
        logger.warning("left out: %s: %s", row["model"], row["reason"])
    records, failed = evaluator.run(rows, request.tasks, context)
    return report.results_of(context, rows, records, [*skipped, *failed], request.data)
