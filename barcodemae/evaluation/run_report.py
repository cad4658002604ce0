"""One folder for a run: results.json, results.md, figures and report.html."""

from __future__ import annotations

import base64
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from jinja2 import Environment, PackageLoader

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation import figures, tables
from barcodemae.evaluation.comparison import (
    DIFFERENCES,
    paired_tests,
    with_intervals_by_species,
)
from barcodemae.evaluation.context import Context, Row
from barcodemae.hub.results import fault_of
from barcodemae.outputs import write_whole_text

_BY_SPLIT = ("sha256", "barcodes")
# What results.json always has, and each of its records.
_PARTS = {
    "records": list,
    "skipped": list,
    "warnings": list,
    "settings": dict,
    "models": dict,
    "points": dict,
    "data": dict,
    "versions": dict,
    "machine": dict,
    "created": str,
}
_OF_RECORD = ("model", "task", "metric", "value", "interval", "settings", "seed")
_PROTOCOL = ("reference", "query", "rank", "splits", "clusters_from")
_PACKAGES = ("torch", "transformers", "numpy", "scikit-learn", "umap-learn", "evaluate")


def results_of(
    context: Context,
    rows: Sequence[Row],
    records: list[dict],
    skipped: list[dict],
    sources: Sequence[str],
) -> dict:
    """All that a run found, ready for results.json."""
    import torch

    import barcodemae

    counts = context.barcodes.table["split"].value_counts()
    return {
        "records": records,
        "skipped": skipped,
        "warnings": context.warnings,
        "settings": asdict(context.settings),
        "models": {row.model: row.settings for row in rows},
        "points": context.points,
        "right": context.right,
        "queries": context.queries,
        "data": {
            "sources": [str(source) for source in sources],
            "sha256": {split: context.barcodes.get(split).digest for split in counts.index},
            "barcodes": {split: int(count) for split, count in counts.items()},
        },
        "versions": {
            "barcodemae": barcodemae.__version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in _PACKAGES},
        },
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "system": platform.platform(),
            "threads": torch.get_num_threads(),
            "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def write_run(folder: Path, results: dict) -> None:
    """Write results.json, results.md, the figures and report.html, each whole or not at all."""
    text = json.dumps(results, indent=1)
    write_whole_text(folder / "results.json", text)
    found = tables.all_tables(results)
    markdown = tables.as_markdown(results, found)
    write_whole_text(folder / "results.md", markdown)
    pictures = figures.draw_all(results, folder)
    page = render_html(results, found, pictures)
    write_whole_text(folder / "report.html", page)


def render_html(
    results: dict, found: Sequence[tables.Table], pictures: Sequence[figures.Picture]
) -> str:
    """The page, with the PNG figures inside it and no link to anything outside."""
    environment = Environment(
        loader=PackageLoader("barcodemae.evaluation"), autoescape=True, trim_blocks=True
    )
    parts = ("settings", "models", "data", "versions", "machine")
    return environment.get_template("report.html.jinja").render(
        models=list(results["models"]),
        description=tables.description(results).replace("`", ""),
        tables=found,
        pictures=[
            {"title": each.title, "png": base64.b64encode(each.png.read_bytes()).decode()}
            for each in pictures
        ],
        warnings=results["warnings"],
        details={**{part: results[part] for part in parts}, "created": results["created"]},
    )


def read_results(folder: Path) -> dict:
    """The results.json of a run.

    Raises:
        BarcodeMAEError: it is absent or is not one.
    """
    path = Path(folder) / "results.json"
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BarcodeMAEError(f"{folder}: not a run (it has no results.json)") from error
    except ValueError as error:
        raise BarcodeMAEError(f"{path}: damaged ({error}); run the evaluation again") from error
    if not isinstance(results, dict) or "records" not in results:
        raise BarcodeMAEError(f"{path}: not the results of an evaluation (it has no `records`)")
    if fault := _fault_of(results):
        raise BarcodeMAEError(f"{path}: incomplete: {fault}; run the evaluation again")
    return results


def _fault_of(results: dict) -> str:
    """What results lack that tables, figures and the page are made of; "": nothing."""
    for name, kind in _PARTS.items():
        if not isinstance(results.get(name), kind):
            return f"{name} is absent or of another kind"
    for name in _BY_SPLIT:
        if not isinstance(results["data"].get(name), dict):
            return f"data.{name} is absent or of another kind"
    for number, record in enumerate(results["records"], 1):
        if fault := fault_of(record, _OF_RECORD):
            return f"record {number}: {fault}"
    return ""


def merge(runs: Sequence[dict]) -> dict:
    """Several runs as one comparison, settings and machine of the first.

    A model that stands in two runs keeps the records of each; where both have the same record
    (task, metric and settings) the first run's stays, the one just made. Paired tests are against
    the first model of all; of runs that did not keep which queries they classified correctly, what
    they had of these stays.

    Raises:
        BarcodeMAEError: the runs rest on different barcodes, a task was another in one than in
            another, or two models bear one name, so that their figures do not compare.
    """
    merged = dict(runs[0])
    for run in runs[1:]:
        _check_same_models(merged["models"], run["models"])
        _check_same_barcodes(merged["data"]["sha256"], run["data"]["sha256"])
        for part in ("models", "points", "right", "queries"):
            own = merged.get(part, {})
            merged[part] = own | {k: v for k, v in run.get(part, {}).items() if k not in own}
        for part in ("skipped", "warnings"):
            merged[part] = merged[part] + [row for row in run[part] if row not in merged[part]]
        merged["data"] = {
            **merged["data"],
            **{part: {**merged["data"][part], **run["data"][part]} for part in _BY_SPLIT},
        }
        merged["records"] = merged["records"] + run["records"]
    _check_same_protocol(merged["records"])
    first: dict[str, dict] = {}
    for row in merged["records"]:
        first.setdefault(_identity(row), row)
    merged["records"] = _compared(list(first.values()), merged)
    return merged


def _compared(records: list[dict], merged: dict) -> list[dict]:
    """The records with the paired tests of the first model and of aligners alone, made anew where
    they can be."""
    settings, parts = merged["settings"], [merged.get(part, {}) for part in ("right", "queries")]
    draws = (*parts, settings["bootstrap"], settings["seed"])
    records, tests = with_intervals_by_species(records, *draws), paired_tests(records, *draws)
    first = next((row["model"] for row in records if row["task"] == "genus-probe"), None)
    made = {(row["model"], row["settings"]["against"]) for row in tests}
    baselines = {first} | {against for _, against in made}
    kept = [
        row
        for row in records
        if row["metric"] not in DIFFERENCES
        or (
            row["settings"]["against"] in baselines
            and (row["model"], row["settings"]["against"]) not in made
        )
    ]
    return kept + tests


def _check_same_models(first: dict[str, dict], other: dict[str, dict]) -> None:
    for name in first.keys() & other.keys():
        for setting in ("encoder", "dimensions", "pooling", "parameters"):
            found = [models[name].get(setting) for models in (first, other)]
            if None not in found and found[0] != found[1]:
                raise BarcodeMAEError(
                    f"the runs have two models called {name!r}: {setting} {found[0]!r} in one and "
                    f"{found[1]!r} in another. Name one with --model LABEL=MODEL"
                )


def _check_same_barcodes(first: dict[str, str], other: dict[str, str]) -> None:
    for split in first.keys() & other.keys():
        if first[split] != other[split]:
            raise BarcodeMAEError(
                f"the runs cannot be compared: their split {split!r} holds different barcodes. "
                "Evaluate the models on the same data"
            )


def _check_same_protocol(records: list[dict]) -> None:
    tasks: dict[str, dict] = {}
    for row in records:
        settings = {name: row["settings"][name] for name in _PROTOCOL if name in row["settings"]}
        first = tasks.setdefault(row["task"], settings)
        for name in first.keys() & settings.keys():
            if first[name] != settings[name]:
                raise BarcodeMAEError(
                    f"the runs cannot be compared: {row['task']} has {name} {first[name]!r} in one "
                    f"and {settings[name]!r} in another. Evaluate the models with the same options"
                )


def _identity(row: dict) -> str:
    parts = [row[name] for name in ("model", "task", "metric", "settings", "seed")]
    return json.dumps(parts, sort_keys=True)
