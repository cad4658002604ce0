"""What the tables of an evaluation are made of: figures as text, and which models have any."""

from __future__ import annotations

from dataclasses import dataclass

from barcodemae.cells import markdown
from barcodemae.evaluation.scores import find

AMI = "adjusted_mutual_information"


@dataclass(frozen=True)
class Table:
    """A title, a note under it, column heads, and rows of ready text."""

    title: str
    note: str
    columns: list[str]
    rows: list[list[str]]


def markdown_rows(table: Table) -> str:
    """The columns and rows of a table, in Markdown."""
    head, *rows = ([markdown(cell) for cell in row] for row in (table.columns, *table.rows))
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def with_interval(row: dict | None) -> str:
    if row is None:
        return ""
    if row["interval"] is None:
        return percent(row["value"])
    return f"{percent(row['value'])} ({' to '.join(map(percent, row['interval']))})"


def mean_and_range(values: list[float]) -> str:
    """Shares in percent: the mean, the least and the greatest."""
    mean = sum(values) / len(values)
    return f"{percent(mean)} ({percent(min(values))} to {percent(max(values))})"


def models_of(results: dict, task: str | None = None) -> list[str]:
    tasks = {task} if task else {"genus-probe", "bin-clustering"}
    return list(dict.fromkeys(r["model"] for r in results["records"] if r["task"] in tasks))


def marked(results: dict, model: str) -> str:
    supervised = results["models"].get(model, {}).get("supervised")
    return f"{model} (supervised)" if supervised else model


def headline_record(records: list[dict], model: str, metric: str) -> dict | None:
    return find(records, model, "bin-clustering", metric, headline=True)
