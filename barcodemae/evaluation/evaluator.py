"""From a request to results: read, check, then run tasks on rows, whatever fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from barcodemae.data import RANKS
from barcodemae.encoders import Encoder, load_encoder
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation import run_report, tasks
from barcodemae.evaluation.aligners import Aligner, is_aligner
from barcodemae.evaluation.comparison import paired_tests
from barcodemae.evaluation.context import Context, Row
from barcodemae.evaluation.settings import Settings
from barcodemae.evaluation.splits import Barcodes
from barcodemae.evaluation.tasks.harmonic_mean import harmonic_means
from barcodemae.identification import transforms
from barcodemae.store import Store

logger = logging.getLogger(__name__)


class NoModelError(BarcodeMAEError):
    """Every model lacks a package, a program or its weights."""


_OF_ALIGNERS = ("genus-probe", "open-set")  # tasks that need no vectors


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


def split_label(text: str) -> tuple[str, str]:
    """ "ours=runs/best" -> ("ours", "runs/best"); without a label the name is what is given.

    What exists as it stands is a path: "runs/lr=1e-3/best" bears no label.
    """
    label, equals, spec = text.partition("=")
    return (label, spec) if equals and not Path(text).exists() else (text, text)


def _cannot(encoder: Encoder, variant: Sequence[str]) -> str:
    """Why an encoder has no row for options at inference; "": it has."""
    if transforms.ALIGNED in variant and not encoder.knows_frames:
        return "it knows no frames, so its barcodes cannot be aligned"
    if encoder.num_offsets == 1 and set(variant) <= set(transforms.FRAMES):
        return "frames make no difference to it"
    return ""


def load_rows(request: Request) -> tuple[list[Row], list[dict]]:
    """Load models; returns the rows of the tables, and what was left out with the reason.

    Raises:
        BarcodeMAEError: two rows would bear one name.
        NoModelError: no model can be had.
    """
    rows, skipped = [], []
    labels = [split_label(text)[0] for text in request.models]
    if repeated := sorted({label for label in labels if labels.count(label) > 1}):
        raise BarcodeMAEError(
            f"--model {repeated[0]} is given twice; name each, for example --model "
            f"NAME={repeated[0]}"
        )
    for label, spec in map(split_label, request.models):
        try:
            if is_aligner(spec):
                rows.append(Row(label, aligner=Aligner(spec, request.threads)))
                continue
            encoder = load_encoder(
                spec,
                request.device,
                request.batch_size,
                request.settings.seed,
                "any" if request.trust_remote_code else "known",
            )
        except (BarcodeMAEError, ValueError) as error:
            skipped.append({"model": label, "task": None, "reason": str(error)})
            continue
        rows.append(Row(label, encoder=encoder))
        for variant in request.variants:
            name = f"{label} + {' + '.join(variant)}"
            if reason := _cannot(encoder, variant):
                skipped.append({"model": name, "task": None, "reason": reason})
                continue
            rows.append(Row(name, encoder, variant=variant))
    if not rows:
        reasons = "\n".join(f"  {row['model']}: {row['reason']}" for row in skipped)
        raise NoModelError(f"none of the models can be evaluated:\n{reasons}")
    return rows, skipped


def check(wanted: Sequence[str], variants: Sequence[tuple[str, ...]], context: Context) -> None:
    """Look for everything in the data that would stop a task, before any work is done.

    Raises:
        BarcodeMAEError: what it is, and the remedy.
    """
    rank = context.settings.rank
    if rank not in RANKS:
        raise BarcodeMAEError(f"--rank {rank}: no such rank; ranks: {', '.join(RANKS)}")
    for task in wanted:
        tasks.module_of(task).check(context)
    if any(transforms.is_supervised(variant) for variant in variants):
        transforms.check_labels(context.reference.labels(rank))
    context.warnings = list(dict.fromkeys(context.warnings))  # tasks look at the same splits


def run_tasks(
    rows: Sequence[Row], wanted: Sequence[str], context: Context
) -> tuple[list[dict], list[dict]]:
    """All records, and what was left out: {model, task, reason}."""
    records, skipped = [], []
    jobs = [(task, row) for task in wanted for row in rows]
    for task, row in tqdm(jobs, unit="task", disable=not context.progress):
        start = time.perf_counter()
        try:
            found = _run_one(task, row, context)
        except BarcodeMAEError as error:
            skipped.append({"model": row.model, "task": task, "reason": str(error)})
            continue
        for record in found:
            if record["duration"] is None:
                record["duration"] = time.perf_counter() - start
        records += found
    settings = context.settings
    how = settings.bootstrap, settings.seed
    records += paired_tests(records, context.right, context.queries, *how)
    if {"genus-probe", "bin-clustering"} <= set(wanted):
        records += harmonic_means(records)
    return records, skipped


def _run_one(task: str, row: Row, context: Context) -> list[dict]:
    module = tasks.module_of(task)
    if row.aligner is not None and task not in _OF_ALIGNERS:
        raise BarcodeMAEError(
            f"an aligner gives names, not embeddings; it has {' and '.join(_OF_ALIGNERS)} alone"
        )
    return module.run(row, context)


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
    check(request.tasks, request.variants, context)
    return context


def evaluate(request: Request) -> dict:
    """Evaluate; returns what results.json holds.

    Raises:
        BarcodeMAEError: bad input, found before any work, or no model that can be evaluated.
    """
    context = read(request)
    rows, skipped = load_rows(request)
    for row in skipped:
        logger.warning("left out: %s: %s", row["model"], row["reason"])
    records, failed = run_tasks(rows, request.tasks, context)
    return run_report.results_of(context, rows, records, [*skipped, *failed], request.data)
