"""What the tables of an evaluation are made of: figures as text, and which models have any."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

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


def share(row: dict | None) -> str:
    """The value of a record in percent; "": there is none."""
    return "" if row is None else f"{100 * row['value']:.1f}"


def with_interval(row: dict | None) -> str:
    if row is None or row["interval"] is None:
        return share(row)
    return f"{share(row)} ({' to '.join(f'{100 * bound:.1f}' for bound in row['interval'])})"


def mean_and_range(values: list[float]) -> str:
    """Shares in percent: the mean, the least and the greatest."""
    mean, *bounds = (100 * value for value in (fmean(values), min(values), max(values)))
    return f"{mean:.1f} ({' to '.join(f'{bound:.1f}' for bound in bounds)})"


def models_of(results: dict, task: str | None = None) -> list[str]:
    tasks = {task} if task else {"genus-probe", "bin-clustering"}
    return list(dict.fromkeys(r["model"] for r in results["records"] if r["task"] in tasks))


def marked(results: dict, model: str) -> str:
    supervised = results["models"].get(model, {}).get("supervised")
    return f"{model} (supervised)" if supervised else model


def headline_record(records: list[dict], model: str, metric: str) -> dict | None:
    return find(records, model, "bin-clustering", metric, headline=True)
