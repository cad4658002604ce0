"""Figures of a run, as PNG and SVG."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from barcodemae.evaluation.layout import AMI, models_of
from barcodemae.evaluation.scores import find
from barcodemae.outputs import write_whole

STYLE = {
    "font.size": 12,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "text.parse_math": False,  # names of models and taxa may hold $
    "axes.axisbelow": True,
    "grid.color": "#e3e8ee",
    "svg.fonttype": "none",
    "svg.hashsalt": "barcodemae",
}
DPI = 200
# Okabe and Ito: told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_KINDS = {"drop": "dropped", "mask": "masked"}
_SCOPES = {"query": "queries alone", "both": "queries and reference"}


@dataclass(frozen=True)
class Picture:
    """A figure that lies on disk, `png` beside an SVG of the same name."""

    title: str
    png: Path


def draw_all(results: dict, folder: Path) -> list[Picture]:
    """Draw every figure that the results have something for into `folder`."""
    drawers = {
        "accuracy": ("Genus accuracy", accuracy),
        "genus-and-bins": ("Genus accuracy and BIN clustering", genus_and_bins),
        "figure-3-robustness": ("Robustness to dropped and masked tokens (Figure 3)", robustness),
        "figure-2-t-sne": ("t-SNE of small genera (Figure 2)", tsne),
    }
    pictures = []
    with rc_context(STYLE):
        for name, (title, draw) in drawers.items():
            figure = draw(results)
            if figure is not None:
                pictures.append(Picture(title, save(figure, folder, name)))
    return pictures


def save(figure: Figure, folder: Path, name: str) -> Path:
    """Write NAME.png and NAME.svg, each whole or not at all; the path of the first."""
    for kind in ("png", "svg"):

        def write(partial: Path, kind: str = kind) -> None:
            undated = {"metadata": {"Date": None}} if kind == "svg" else {}
            figure.savefig(partial, format=kind, dpi=DPI, bbox_inches="tight", **undated)

        write_whole(folder / f"{name}.{kind}", write)
    return folder / f"{name}.png"


def accuracy(results: dict) -> Figure | None:
    """Accuracy of the genus probe with its interval, a bar for each row."""
    models = models_of(results, "genus-probe")
    if not models:
        return None
    rows = [find(results["records"], model, "genus-probe", "accuracy") for model in models]
    values = 100 * np.array([row["value"] for row in rows])
    intervals = [row["interval"] or 2 * [row["value"]] for row in rows]
    bounds = 100 * np.array(intervals).T  # (2, models)
    figure = Figure(figsize=(8, 0.9 + 0.42 * len(models)))
    axes = figure.add_subplot()
    supervised = [row["settings"]["supervised"] for row in rows]
    colours = [COLOURS[1] if flag else COLOURS[0] for flag in supervised]
    places = np.arange(len(models))[::-1]
    axes.barh(places, values, color=colours, height=0.7)
    axes.errorbar(
        values, places, xerr=abs(bounds - values), fmt="none", ecolor="#1c2430", capsize=3
    )
    for place, value, bound in zip(places, values, bounds[1], strict=True):
        axes.text(max(value, bound) + 0.8, place, f"{value:.1f}", va="center")
    axes.set_yticks(places, map(readable, models))
    settings = results["settings"]
    axes.set_xlabel(
        f"{settings['rank']} accuracy, % ({settings['query']} → {settings['reference']})"
    )
    axes.set_xlim(0, min(100, bounds.max() + 9))
    axes.grid(axis="y", visible=False)
    if any(supervised) and not all(supervised):
        axes.set_title("orange: fitted on the reference's labels", fontsize=10, loc="left")
    return figure


def genus_and_bins(results: dict) -> Figure | None:
    """The two figures of Table 1 against each other."""
    points = []
    for model in models_of(results):
        genus = find(results["records"], model, "genus-probe", "accuracy")
        bins = find(results["records"], model, "bin-clustering", AMI, headline=True)
        if genus and bins:
            points.append((model, 100 * genus["value"], 100 * bins["value"]))
    if len(points) < 2:
        return None
    figure = Figure(figsize=(7.5, 5))
    axes = figure.add_subplot()
    for index, (model, genus, bins) in enumerate(points):
        axes.scatter(genus, bins, s=80, label=readable(model), zorder=3, **style(index))
    axes.set_xlabel(f"{results['settings']['rank']} accuracy, %")
    axes.set_ylabel("BIN AMI, %")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


_NAMES = {
    "vsearch": "VSEARCH",
    "vsearch:sintax": "VSEARCH SINTAX",
    "blast": "BLAST megablast",
    "blast:megablast": "BLAST megablast",
    "blast:blastn": "BLAST blastn",
    "shipped": "barcodemae-coi-small",
    "sites": "sites of the grid",
    "untrained": "untrained BarcodeMAE",
}
_OF_A_RUN = ("best", "last")


def readable(model: str) -> str:
    """What a talk calls a row: `kmer:6` is 6-mer frequencies, `runs/mine/best` is mine.

    What follows a model's name after a space or comma, the inference, stays.
    """
    name = re.split(r"[ ,]", model, maxsplit=1)[0]
    rest = model[len(name) :]
    kind, _, detail = name.partition(":")
    if name in _NAMES:
        return _NAMES[name] + rest
    if kind == "kmer" and detail:
        return f"{detail}-mer frequencies{rest}"
    if kind in ("cls", "untrained", "onnx"):
        return f"{kind} {readable(detail)}{rest}"
    parts = [part for part in Path(name).parts if part not in _OF_A_RUN]
    return (parts[-1] if parts else name) + rest


def style(index: int) -> dict:
    """Colour and marker of the line or point `index`: they tell 49 apart."""
    colour, marker = COLOURS[index % len(COLOURS)], "osD^vP*"[(index // len(COLOURS)) % 7]
    return {"color": colour, "marker": marker}


def _panels(count: int, most: int, size: tuple[float, float], **shared) -> tuple[Figure, list]:
    """A figure of `count` axes of this size, at `most` in a row."""
    columns = min(most, count)
    height = ceil(count / columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * height))
    grid = figure.subplots(height, columns, squeeze=False, **shared).flat
    for axes in grid[count:]:
        axes.set_visible(False)
    return figure, list(grid)[:count]


def robustness(results: dict) -> Figure | None:
    """Accuracy against the share of dropped or masked tokens: a panel for each kind and scope."""
    rows = [row for row in results["records"] if row["task"] == "robustness"]
    if not rows:
        return None
    panels = list(dict.fromkeys((r["settings"]["kind"], r["settings"]["scope"]) for r in rows))
    models = list(dict.fromkeys(row["model"] for row in rows))
    figure, grid = _panels(len(panels), 2, (5.4, 4), sharex=True, sharey=True)
    for axes, (kind, scope) in zip(grid, panels, strict=True):
        for index, model in enumerate(models):
            line = [
                row
                for row in rows
                if row["model"] == model
                and (row["settings"]["kind"], row["settings"]["scope"]) == (kind, scope)
            ]
            if not line:
                continue
            shares = [100 * row["settings"]["share"] for row in line]
            values = [100 * row["value"] for row in line]
            bounds = 100 * np.array([row["interval"] for row in line])
            (drawn,) = axes.plot(shares, values, label=readable(model), **style(index))
            axes.fill_between(shares, *bounds.T, color=drawn.get_color(), alpha=0.15, linewidth=0)
        axes.set_title(f"{_KINDS[kind]}, {_SCOPES[scope]}", fontsize=12, loc="left")
        axes.set_ylim(0, 100)
    figure.supxlabel("tokens dropped or masked, %")
    figure.supylabel(f"{results['settings']['rank']} accuracy, %")
    handles, labels = grid[0].get_legend_handles_labels()
    figure.tight_layout()
    figure.legend(
        handles, labels, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False
    )
    return figure


def tsne(results: dict) -> Figure | None:
    """The same barcodes by every model, coloured by genus."""
    points = results["points"]
    if not points:
        return None
    genera = sorted(set(next(iter(points.values()))["genera"]))
    figure, grid = _panels(len(points), 3, (4.6, 4.6))
    for axes, (model, drawn) in zip(grid, points.items(), strict=True):
        xy, names = np.array(drawn["xy"]), np.array(drawn["genera"])
        for index, genus in enumerate(genera):
            axes.scatter(*xy[names == genus].T, s=22, label=genus, linewidths=0, **style(index))
        axes.set_title(readable(model), fontsize=12)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_box_aspect(1)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.tight_layout()
    legend = figure.legend(
        handles,
        labels,
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        frameon=False,
        fontsize=10,
        ncols=1 + len(genera) // 21,
    )
    for text in legend.get_texts():
        text.set_style("italic")
    return figure
