"""The results as tables and pictures: what each run is worth, beside what a lab has today.

    python -m experiments.table RESULTS -o results.md

Several folders may be given; their runs stand side by side where they rest on the same barcodes.
Pictures (PNG and SVG) go beside the table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from itertools import compress
from pathlib import Path

import numpy as np

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.published import published
from barcodemae.evaluation.tables import AMI, Table, markdown_rows, mean_and_range, percent
from barcodemae.outputs import write_whole_text
from experiments import pictures
from experiments.entries import Entry, baseline_of, difference, entries_of, read_results
from experiments.manifest import KINDS, command_line

BLAST = "megablast"
_TITLES = {
    "self-supervised": "Self-supervised: no label read",
    "semi-supervised": "Semi-supervised: genus labels of pretraining barcodes read",
    "supervised": "Supervised: labels of the reference read",
    "yardstick": "Yardsticks: what a lab has today",
}


def main_table(entries: list[Entry], kind: str) -> Table:
    """What the issue of the paper's claims turns on, for the runs of one kind."""
    blast = next((entry for entry in entries if entry.first["name"] == BLAST), None)
    rows = []
    for entry in entries:
        if entry.first["kind"] != kind:
            continue
        genus = entry.genus()
        rows.append(
            [
                entry.name,
                str(len(entry.rows)),
                _with_mean_interval(genus),
                _range(genus),
                difference(blast, entry) if blast and entry is not blast else "",
                _mean(entry.records("genus-probe", "accuracy", rank="species")),
                _mean(entry.records("bin-clustering", AMI, headline=True)),
                _mean_and_range(entry.records("bin-clustering", AMI)),
                _mean(entry.records("harmonic-mean", "harmonic-mean", inference=None)),
                _number(entry.mean("barcodes_seen")),
                _number(entry.mean("barcodes_per_second")),
                percent(entry.mean("share_of_matrix_rate")),
            ]
        )
    columns = ["model", "seeds", "genus (95 %)", "over seeds", f"against {BLAST}", "species"]
    columns += ["BIN AMI", "AMI over the grid", "harmonic mean"]
    columns += ["barcodes seen", "barcodes/s", "of the matrix rate"]
    return Table(_TITLES[kind], "", columns, rows)


def inference_table(entries: list[Entry]) -> Table:
    """Genus accuracy under each inference option."""
    options = _options(entries)
    rows = [
        [entry.name, _mean(entry.genus()), *(_mean(entry.genus(*option)) for option in options)]
        for entry in entries
        if any(entry.genus(*option) for option in options)
    ]
    note = "Genus accuracy, mean over the seeds. Each option is fitted on the reference alone."
    return Table("At inference", note, ["model", "plain", *map(_option_head, options)], rows)


def _options(entries: list[Entry]) -> list[tuple[str, ...]]:
    """The inference options under which genera were named."""
    found = dict.fromkeys(
        tuple(record["settings"]["inference"])
        for entry in entries
        for row in entry.rows
        for record in row["records"]
        if record["task"] == "genus-probe" and record["settings"]["rank"] == "genus"
    )
    return [option for option in found if option]


def _option_head(option: tuple[str, ...]) -> str:
    return " + ".join(option) + (" (reads labels)" if "discriminants" in option else "")


def difference_table(entries: list[Entry]) -> Table:
    """Each run against the one that it differs from in one thing."""
    rows, options = [], [(), *_options(entries)]
    for entry in entries:
        against = baseline_of(entry, entries)
        if against:
            differences = [difference(against, entry, *option) for option in options]
            rows.append([entry.name, against.name, *differences])
    shown = [any(row[2 + place] for row in rows) for place in range(len(options))]
    rows = [[*row[:2], *compress(row[2:], shown)] for row in rows]
    heads = compress(["plain", *map(_option_head, options[1:])], shown)
    note = (
        "Genus accuracy of the run less that of the other, points, plain and with the same options "
        "at inference: mean over the seeds that both have (range); p of McNemar's exact test, of "
        "the first seed."
    )
    return Table("One change at a time", note, ["run", "against", *heads], rows)


def depth_tables(entries: list[Entry]) -> list[Table]:
    """Table 2, one for each share of the manifest's epochs."""
    cells = [entry for entry in entries if entry.first["group"] == "table-2"]
    by_scale: dict[float, list[Entry]] = {}
    for entry in cells:
        by_scale.setdefault(entry.first["scale"], []).append(entry)
    return [_depth_table(of_one, scale) for scale, of_one in by_scale.items()]


def _depth_table(entries: list[Entry], scale: float) -> Table:
    """Table 2, with the paper's figures beside."""
    by_name = {entry.first["name"]: entry for entry in entries}
    columns, rows = ["k"], []
    for depth in published()["table_2"]:
        columns += [depth, f"{depth}, paper"]
    for k in (4, 6):
        cells = [str(k)]
        for paper in published()["table_2"].values():
            name = paper["key"].format(k=k).removeprefix("barcodemae-")
            measured = _mean_and_range(by_name[name].genus()) if name in by_name else ""
            cells += [measured, f"{paper[f'k{k}']:g}"]
        rows.append(cells)
    note = (
        "Genus accuracy by k and by layers-heads of the encoder / of the decoder: mean over the "
        "seeds (range). The paper's are of BIOSCAN-5M, thirty times as many barcodes and other "
        "queries: what compares is which cell is the best, not the figures."
    )
    of_epochs = "" if scale == 1 else f", x {scale:g} epochs"
    return Table(f"Depth of encoder and decoder (Table 2){of_epochs}", note, columns, rows)


def markdown(rows: list[dict], drawn: Sequence[pictures.Picture]) -> str:
    """results.md."""
    entries = entries_of(rows)
    tables = [main_table(entries, kind) for kind in KINDS]
    tables += [inference_table(entries), difference_table(entries), *depth_tables(entries)]
    parts = ["# Results", _description(rows)]
    for table in tables:
        if table.rows:
            parts += [f"## {table.title}", *filter(None, [table.note]), markdown_rows(table)]
    parts += [f"## {picture.title}\n\n![{picture.title}]({picture.png.name})" for picture in drawn]
    parts += filter(None, [_how_to_reproduce(entries)])
    return "\n\n".join(parts) + "\n"


def _description(rows: list[dict]) -> str:
    record = next(r for row in rows for r in row["records"] if r["task"] == "genus-probe")
    machines = dict.fromkeys(row["hardware"] for row in rows if row.get("hardware"))
    return (
        f"Genus and species by 1-NN (cosine) to `{record['settings']['reference']}`, in percent: "
        f"genus of the {record['n']:,} barcodes of `{record['settings']['query']}` whose species "
        "the reference lacks, with the 95 % bootstrap interval; species of `val`. BIN AMI: UMAP "
        "and Ward's linkage, the headline and the mean (range) over UMAP's neighbours and seeds. "
        f"Against {BLAST}: points of genus accuracy, p of McNemar's exact test. The matrix rate is "
        "that of a large matrix product on the same machine. "
        f"Trained on {'; '.join(machines) or 'nothing'}."
    )


def _how_to_reproduce(entries: list[Entry]) -> str:
    """For the best trained model of each kind, the command that makes and judges it."""
    commands = []
    for kind in KINDS:
        trained = [e for e in entries if e.first["kind"] == kind and e.first["module"] != "none"]
        if not trained:
            continue
        best = max(trained, key=lambda entry: np.mean([r["value"] for r in entry.genus()])).first
        options = f"--manifest {best['manifest']} " if best["manifest"] else ""
        options += f"--only {best['name']}"
        options += "" if best["scale"] == 1 else f" --budget-scale {best['scale']:g}"
        options += " --device cpu" if "cpu" in (best["hardware"] or "").lower() else ""
        commands += [f"# {kind}", f"python -m experiments.run --data BARCODES -o RESULTS {options}"]
        if best["module"] == "pretrain":
            given = {**best["arguments"], "epochs": best["epochs"], "seed": best["seed"]}
            words = " ".join(f'"{w}"' if " " in w else w for w in command_line(given))
            files = "--train_data BARCODES --output_dir RUN"
            commands += ["# or, by itself", f"accelerate launch -m train.pretrain {files} {words}"]
    if not commands:
        return ""
    return "\n".join(["## How to make the best again\n", "```bash", *commands, "```"])


def _statistic(write: Callable[[list[float]], str]) -> Callable[[list[dict]], str]:
    """Written for the values of records; nothing for none."""
    return lambda records: write([r["value"] for r in records]) if records else ""


_mean = _statistic(lambda values: percent(sum(values) / len(values)))
_range = _statistic(
    lambda values: f"{percent(min(values))} to {percent(max(values))}" if len(values) > 1 else ""
)
_mean_and_range = _statistic(
    lambda values: mean_and_range(values) if len(values) > 1 else percent(values[0])
)


def _with_mean_interval(records: list[dict]) -> str:
    """The mean, and the mean bounds of the intervals, which tell of the draw of queries."""
    if not records:
        return ""
    low, high = np.mean([record["interval"] for record in records], axis=0)
    return f"{_mean(records)} ({percent(low)} to {percent(high)})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", nargs="+", type=Path, help="folders of experiments.run")
    parser.add_argument("-o", "--output", type=Path, required=True, help="Markdown file to write")
    given = parser.parse_args(arguments)
    try:
        rows = read_results(given.results)
        drawn = pictures.draw_all(rows, given.results, given.output.parent)
        text = markdown(rows, drawn)
    except BarcodeMAEError as error:
        print(f"experiments.table: {error}", file=sys.stderr)
        return 2
    write_whole_text(given.output, text)
    print(given.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
