"""The flat list of results: one record for each model, task and metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def record(
    model: str,
    task: str,
    metric: str,
    value: float,
    *,
    n: int,
    settings: dict,
    interval: list[float] | None = None,
    seed: int | None = None,
    duration: float | None = None,
) -> dict:
    """One result.

    Args:
        value: scores are shares (0 to 1), times are seconds.
        n: barcodes that the value rests on.
        settings: all that decides the value besides the model.
        interval: 95 %, lower and upper.
        duration: wall seconds that the task took for this model, embedding included.
    """
    return {
        "model": model,
        "task": task,
        "metric": metric,
        "value": float(value),
        "interval": interval,
        "n": int(n),
        "settings": settings,
        "seed": seed,
        "duration": duration,
    }


def records(
    model: str,
    task: str,
    values: Mapping[str, float],
    intervals: Mapping[str, list[float]] | None = None,
    **common,
) -> list[dict]:
    """A record for each metric of `values`; what they share is as of `record`."""
    return [
        record(model, task, metric, value, interval=(intervals or {}).get(metric), **common)
        for metric, value in values.items()
    ]


def find(records: Iterable[dict], model: str, task: str, metric: str, **settings) -> dict | None:
    """The first record of a model's metric whose settings agree; None: there is none."""
    for row in records:
        if (row["model"], row["task"], row["metric"]) == (model, task, metric) and all(
            row["settings"].get(name) == value for name, value in settings.items()
        ):
            return row
    return None
