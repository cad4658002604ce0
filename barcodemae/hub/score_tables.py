"""The figures of an evaluation as one score for each model, task and metric, and as tables."""

import json
import statistics
from dataclasses import dataclass

# Drawn rather than tabulated, and figures that are no scores of one model.
_DRAWN = ("robustness", "t-sne")
_NO_SCORES = (
    "wall_seconds",
    "cpu_seconds",
    "unreachable_queries",
    "accuracy_difference",
    "balanced_accuracy_difference",
)


@dataclass
class Score:
    """One figure of one model: the mean over the seeds that it was measured with.

    Attributes:
        spread: (lowest, highest): the interval of a single measurement, or the range over seeds.
    """

    model: str
    task: str
    metric: str
    settings: dict
    value: float
    spread: tuple[float, float] | None
    seeds: int
    n: int | None

    @property
    def described_settings(self) -> str:
        """What decides the score besides the model; options that are off go without saying."""
        return ", ".join(
            f"{name} {'+'.join(map(str, value)) if isinstance(value, list) else value}"
            for name, value in self.settings.items()
            if value is not None and value != [] and not isinstance(value, (bool, dict))
        )

    @property
    def as_text(self) -> str:
        """The value and its spread, four digits."""
        if self.spread is None:
            return f"{self.value:.4f}"
        low, high = self.spread
        return f"{self.value:.4f} ({low:.4f} to {high:.4f})"


@dataclass
class ScoreTable:
    """Scores of one task under one protocol.

    Attributes:
        rows: for each model its name, the number of barcodes, and a text for each metric.
    """

    task: str
    settings: str
    metrics: list[str]
    rows: list[tuple[str, int | None, list[str]]]


def scores(results: dict) -> list[Score]:
    """One score for each model, task, metric and settings, ours first, otherwise in file order."""
    groups: dict[tuple, list[dict]] = {}
    for record in results.get("records", []):
        settings = json.dumps(record.get("settings") or {}, sort_keys=True, default=str)
        key = (record["model"], record["task"], record["metric"], settings)
        if _is_headline(record):
            groups.setdefault(key, []).append(record)
    found = [
        Score(
            model=model,
            task=task,
            metric=metric,
            settings=json.loads(settings),
            value=statistics.fmean(record["value"] for record in records),
            spread=_spread(records),
            seeds=len(records),
            n=records[0].get("n"),
        )
        for (model, task, metric, settings), records in groups.items()
    ]
    return sorted(found, key=lambda score: score.model != results.get("model"))


def score_tables(results: dict) -> list[ScoreTable]:
    """The scores as tables, models in rows (ours first) and metrics in columns."""
    groups: dict[tuple[str, str], list[Score]] = {}
    for score in scores(results):
        groups.setdefault((score.task, score.described_settings), []).append(score)
    tables = []
    for (task, settings), members in groups.items():
        metrics = list(dict.fromkeys(score.metric for score in members))
        by_model: dict[str, dict[str, Score]] = {}
        for score in members:
            by_model.setdefault(score.model, {})[score.metric] = score
        rows = [
            (
                model,
                next(iter(own.values())).n,
                [own[metric].as_text if metric in own else "" for metric in metrics],
            )
            for model, own in by_model.items()
        ]
        tables.append(ScoreTable(task, settings, metrics, rows))
    return tables


def _is_headline(record: dict) -> bool:
    return (
        record["value"] is not None
        and record["task"] not in _DRAWN
        and record["metric"] not in _NO_SCORES
        and (record.get("settings") or {}).get("headline", True)
    )


def _spread(records: list[dict]) -> tuple[float, float] | None:
    if len(records) > 1:
        values = [record["value"] for record in records]
        return min(values), max(values)
    interval = records[0].get("interval")
    return tuple(interval) if interval else None
