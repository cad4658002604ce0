"""The paper's tables, with its figures beside the measured ones where the barcodes are its own."""

from __future__ import annotations

from collections.abc import Callable

from barcodemae.evaluation import published
from barcodemae.evaluation.layout import (
    AMI,
    Table,
    headline_record,
    marked,
    models_of,
    with_interval,
)
from barcodemae.evaluation.scores import find


def _published(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def key_of(results: dict, model: str) -> str | None:
    """The key of the published row for a measured model, None where there is none."""
    settings = results["models"].get(model, {})
    named = (model, settings.get("name"), model.replace("blast:megablast", "blast"))
    return next((name for name in named if name in published.rows()), None)


def main_table(results: dict) -> Table:
    """Table 1: genus accuracy, BIN AMI and their harmonic mean."""
    records = results["records"]
    figures: dict[str, tuple[str, Callable]] = {
        "genus": (
            f"{results['settings']['rank']} accuracy",
            lambda model: with_interval(find(records, model, "genus-probe", "accuracy")),
        ),
        "ami": ("BIN AMI", lambda model: with_interval(headline_record(records, model, AMI))),
        "harmonic_mean": (
            "harmonic mean",
            lambda model: with_interval(find(records, model, "harmonic-mean", "harmonic-mean")),
        ),
    }
    beside = [name for name in figures if published.comparable(results, name)]
    measured_models = models_of(results)
    figures = {
        name: (head, measured)
        for name, (head, measured) in figures.items()
        if name in beside or any(map(measured, measured_models))
    }
    columns = ["model"]
    for name, (head, _) in figures.items():
        columns += [head, f"{head}, paper"] if name in beside else [head]
    rows, shown = [], set()
    for model in measured_models:
        key = key_of(results, model)
        shown.add(key)
        paper = published.rows().get(key, {})
        cells = [marked(results, model)]
        for name, (_, measured) in figures.items():
            cells += [measured(model)] + ([_published(paper.get(name))] if name in beside else [])
        rows.append(cells)
    for key, paper in published.rows().items() if beside else ():
        if key not in shown:
            cells = [f"{paper['name']} ({paper['pretrained_on']})"]
            for name in figures:
                cells += ["", _published(paper.get(name))] if name in beside else [""]
            rows.append(cells)
    note = (
        "The paper's figures stand beside measured ones: the barcodes and splits are the paper's."
        if beside
        else "The paper's figures are not shown: these are other barcodes or splits than its own."
    )
    return Table("Genus of unseen species, and BINs (Table 1)", note, columns, rows)


def depth_table(results: dict) -> Table | None:
    """Table 2: genus accuracy by k and depth, for models under the presets' names."""
    beside = published.comparable(results, "genus")
    rows, columns = [], ["k"]
    depths = published.published()["table_2"]
    for depth in depths:
        columns += [depth, f"{depth}, paper"] if beside else [depth]
    measured = False
    for k in (4, 6):
        cells = [str(k)]
        for paper in depths.values():
            row = find(results["records"], paper["key"].format(k=k), "genus-probe", "accuracy")
            measured = measured or row is not None
            cells += [with_interval(row)] + ([_published(paper[f"k{k}"])] if beside else [])
        rows.append(cells)
    if not measured:
        return None
    note = "Genus accuracy by k and by layers-heads of the encoder / of the decoder."
    return Table("Depth of encoder and decoder (Table 2)", note, columns, rows)


def objective_table(results: dict) -> Table | None:
    """Rows of Table 1 side by side: genus accuracy by objective and pretraining data."""
    beside, paper_rows = published.comparable(results, "genus"), published.rows()
    sets = ("CANADA-1.5M", "BIOSCAN-5M")
    keys = {key_of(results, model): model for model in models_of(results, "genus-probe")}
    rows, measured = [], False
    for objective in published.published()["objectives"]:
        cells = [objective["name"]]
        for pretrained_on in sets:
            key = objective[pretrained_on]
            row = find(results["records"], keys.get(key), "genus-probe", "accuracy")
            measured = measured or row is not None
            paper = [_published(paper_rows[key]["genus"])] if beside else []
            cells += [with_interval(row), *paper]
        rows.append(cells)
    if not measured:
        return None
    columns = ["objective"]
    for pretrained_on in sets:
        columns += [pretrained_on, f"{pretrained_on}, paper"] if beside else [pretrained_on]
    note = "Genus accuracy by the data that a model was pretrained on: rows of Table 1, rearranged."
    return Table("Objectives and pretraining data", note, columns, rows)
