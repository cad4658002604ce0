"""The results as pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from barcodemae.evaluation import figures
from barcodemae.evaluation.figures import COLOURS, STYLE, Picture, marker
from experiments.entries import scaled_name

SPEED_ON_CPU = "speed_on_cpu.json"  # of `experiments.speed_on_cpu`


def draw_all(rows: list[dict], results: Sequence[Path], folder: Path) -> list[Picture]:
    """Draw what the results have something for into `folder`, as PNG and SVG.

    Args:
        rows: of results.jsonl.
        results: folders in which the speeds on a CPU may lie.
    """
    records = [
        {**record, "model": scaled_name(row)}
        for row in rows
        if row["seed"] == 0
        for record in row["records"]
        if record["task"] == "robustness"
    ]
    speeds = [
        line
        for place in results
        if (place / SPEED_ON_CPU).exists()
        for line in json.loads((place / SPEED_ON_CPU).read_text())["contestants"]
    ]
    with rc_context(STYLE):
        drawn = {
            "learning-curves": ("Validation loss", learning_curves(rows)),
            "robustness": (
                "Robustness to hidden tokens",
                figures.robustness({"records": records, "settings": {"rank": "genus"}}),
            ),
            "accuracy-and-speed": ("Accuracy against speed on a CPU", accuracy_and_speed(speeds)),
        }
        return [
            Picture(title, figures.save(figure, folder, name))
            for name, (title, figure) in drawn.items()
            if figure is not None
        ]


def learning_curves(rows: list[dict]) -> Figure | None:
    """Validation loss against barcodes seen: a line for each seed, a panel for each group.

    Distillation has panels of its own: its loss is another one.
    """
    panels: dict[str, list[dict]] = {}
    for row in rows:
        if row.get("validation_curve"):
            title = row["group"] + (", distilled" if row["module"] == "distill" else "")
            panels.setdefault(title, []).append(row)
    if not panels:
        return None
    figure = Figure(figsize=(8, 4 * len(panels)))
    grid = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axes, (title, trained) in zip(grid, panels.items(), strict=True):
        names = list(dict.fromkeys(map(scaled_name, trained)))
        labelled = set()
        for row in trained:
            name = scaled_name(row)
            index = names.index(name)
            barcodes, losses = np.array(row["validation_curve"], dtype=float).T[:2]
            label = None if name in labelled else name
            labelled.add(name)
            style = {"color": COLOURS[index % len(COLOURS)], "marker": marker(index)}
            axes.plot(barcodes / 1e6, losses, label=label, markersize=4, **style)
        axes.set_title(title, loc="left")
        axes.set_ylabel("validation loss")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)
    grid[-1].set_xlabel("barcodes seen, millions")
    return figure


def accuracy_and_speed(contestants: list[dict]) -> Figure | None:
    """Genus accuracy against queries named a second, measured side by side on a CPU."""
    if not contestants:
        return None
    figure = Figure(figsize=(7.5, 5))
    axes = figure.add_subplot()
    for index, line in enumerate(contestants):
        value, bounds = 100 * line["accuracy"], 100 * np.array(line["interval"])
        axes.errorbar(
            line["queries_per_second"],
            value,
            yerr=abs(bounds - value)[:, None],
            color=COLOURS[index % len(COLOURS)],
            marker=marker(index),
            capsize=3,
            linestyle="none",
            label=line["name"],
        )
    axes.set_xscale("log")
    axes.set_xlabel("queries named in a second")
    axes.set_ylabel("genus accuracy, %")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure
