"""Results as tables in the paper's layout, the published figure beside the measured one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from barcodemae.cells import markdown
from barcodemae.evaluation import published
from barcodemae.evaluation.comparison import DIFFERENCES, baselines_of
from barcodemae.evaluation.scores import find
from barcodemae.evaluation.settings import WITHOUT_UMAP

AMI = "adjusted_mutual_information"


@dataclass(frozen=True)
class Table:
    """A title, a note under it, column heads, and rows of ready text."""

    title: str
    note: str
    columns: list[str]
    rows: list[list[str]]


def all_tables(results: dict) -> list[Table]:
    """The tables that the results have something for."""
    makers = (
        main_table,
        depth_table,
        objective_table,
        probe_table,
        clustering_table,
        linear_probe_table,
        open_set_table,
        robustness_table,
        tsne_table,
        left_out_table,
    )
    return [table for maker in makers if (table := maker(results)) and table.rows]


def as_markdown(results: dict, found: list[Table]) -> str:
    """results.md: the tables, then warnings, data and versions."""
    parts = ["# Evaluation", description(results)]
    for table in found:
        lines = [f"## {markdown(table.title)}", table.note, markdown_rows(table)]
        parts.append("\n\n".join(filter(None, lines)))
    if results["warnings"]:
        parts.append("## Notes\n\n" + "\n".join(f"- {markdown(t)}" for t in results["warnings"]))
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    parts.append(f"{results['created']}; {versions}; {results['machine']['system']}")
    return "\n\n".join(parts) + "\n"


def description(results: dict) -> str:
    """What was measured on which barcodes, in a sentence or three."""
    settings, counts = results["settings"], results["data"]["barcodes"]
    sets = ", ".join(f"{split} {count:,}" for split, count in counts.items())
    return (
        f"Reference `{settings['reference']}`, query `{settings['query']}`, rank "
        f"{settings['rank']}. Barcodes: {sets}. Percent; intervals are 95 % bootstrap."
    )


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


def _published(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def models_of(results: dict, task: str | None = None) -> list[str]:
    tasks = {task} if task else {"genus-probe", "bin-clustering"}
    return list(dict.fromkeys(r["model"] for r in results["records"] if r["task"] in tasks))


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
        "ami": ("BIN AMI", lambda model: with_interval(_headline(records, model, AMI))),
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
        cells = [_marked(results, model)]
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


def _marked(results: dict, model: str) -> str:
    supervised = results["models"].get(model, {}).get("supervised")
    return f"{model} (supervised)" if supervised else model


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


def probe_table(results: dict) -> Table:
    """Every figure of the genus probe."""
    records = results["records"]
    heads = {
        "accuracy": "accuracy",
        "balanced_accuracy": f"accuracy averaged over {results['settings']['rank']}",
        "f1_macro": "F1 macro",
        "f1_weighted": "F1 weighted",
    }
    baselines, rows = baselines_of(records), []
    for model in models_of(results, "genus-probe"):
        get = partial(find, records, model, "genus-probe")
        cells = [with_interval(get(name)) for name in heads]
        for against in baselines:
            cells += [_difference(get(metric, against=against)) for metric in DIFFERENCES]
        seconds = [f"{get(name)['value']:.1f}" for name in ("wall_seconds", "cpu_seconds")]
        rows.append([_marked(results, model), *cells, *seconds])
    columns = ["model", *heads.values()]
    for against in baselines:
        columns += [f"less {against}", f"less {against}, averaged"]
    columns += ["wall s", "CPU s"]
    note = (
        "Intervals: species drawn anew with all their barcodes. Differences in points; p: signs of "
        "whole species turned at random. Seconds: embedding reference and queries, and the search; "
        "aligners: index and search."
    )
    return Table("Genus probe", note, columns, rows)


def _difference(row: dict | None) -> str:
    if row is None:
        return ""
    return f"{100 * row['value']:+.1f} (p = {row['settings']['p_value']:.2g})"


def _headline(records: list[dict], model: str, metric: str) -> dict | None:
    return find(records, model, "bin-clustering", metric, headline=True)


def clustering_table(results: dict) -> Table:
    """The clustering headline, and the grid over UMAP neighbours (mean and range of the seeds)."""
    settings = results["settings"]
    rows = []
    for model in models_of(results, "bin-clustering"):
        names = (AMI, "homogeneity", "completeness", "v_measure")
        headline = [_headline(results["records"], model, name) for name in names]
        cells = [percent(row["value"]) if row else "" for row in headline]
        for neighbours in settings["umap_grid"]:
            values = [
                row["value"]
                for row in results["records"]
                if (row["model"], row["task"], row["metric"]) == (model, "bin-clustering", AMI)
                and row["settings"]["umap_neighbours"] == neighbours
            ]
            cells.append(mean_and_range(values) if len(values) > 1 else "")
        how = {"umap_neighbours": WITHOUT_UMAP}
        direct = find(results["records"], model, "bin-clustering", AMI, **how)
        cells.append(percent(direct["value"]) if direct else "")
        rows.append([_marked(results, model), *cells])
    columns = ["model", "AMI", "homogeneity", "completeness", "V-measure"]
    columns += [f"AMI, {n} neighbours" for n in settings["umap_grid"]]
    columns.append("AMI, without UMAP")
    note = (
        f"Headline: UMAP with {settings['umap_neighbours']} neighbours, seed "
        f"{settings['umap_seed']}. Grid: mean over {len(settings['umap_seeds'])} seeds (range); "
        "without UMAP: Ward of the embeddings themselves; "
        "rows with inference options have the headline alone."
    )
    return Table(f"BIN clustering of {settings['clustering']}", note, columns, rows)


def mean_and_range(values: list[float]) -> str:
    """Shares in percent: the mean, the least and the greatest."""
    mean = sum(values) / len(values)
    return f"{percent(mean)} ({percent(min(values))} to {percent(max(values))})"


def linear_probe_table(results: dict) -> Table:
    """Species of the seen split from frozen embeddings."""
    names = ("accuracy", "balanced_accuracy", "f1_macro")
    rows = [
        [
            _marked(results, model),
            *(with_interval(find(results["records"], model, "linear-probe", n)) for n in names),
        ]
        for model in models_of(results, "linear-probe")
    ]
    columns = ["model", "accuracy", "balanced accuracy", "F1 macro"]
    note = f"Species of `{results['settings']['seen']}`, learned on the reference."
    return Table("Linear probe", note, columns, rows)


def open_set_table(results: dict) -> Table:
    """Known against new species, and how far the genus that is named can be relied on."""
    metrics = {
        "auroc_known": "AUROC known/new",
        "genus_of_new": "genus of new species",
        "coverage_of_new_at_95": "new species answered at 95 %",
        "coverage_of_known_at_99": "known species named at 99 %",
        "calibration_error_of_genus": "calibration error of the genus",
    }
    rows = []
    for model in models_of(results, "open-set"):
        found = [find(results["records"], model, "open-set", metric) for metric in metrics]
        rows.append([_marked(results, model), *(percent(r and r["value"]) for r in found)])
    settings = results["settings"]
    note = (
        f"Known: `{settings['seen']}`; new: `{settings['query']}`. Models answer as `identify` "
        "does, aligners by the identity of the best hit."
    )
    return Table("Open set", note, ["model", *metrics.values()], rows)


def robustness_table(results: dict) -> Table:
    """Accuracy by the share of dropped or masked tokens (Figure 3)."""
    shares = results["settings"]["shares"]
    lines = dict.fromkeys(
        (row["model"], row["settings"]["kind"], row["settings"]["scope"])
        for row in results["records"]
        if row["task"] == "robustness"
    )
    rows = []
    for model, kind, scope in lines:
        found = [
            find(
                results["records"],
                model,
                "robustness",
                "accuracy",
                kind=kind,
                scope=scope,
                share=share,
            )
            for share in shares
        ]
        rows.append(
            [_marked(results, model), kind, scope, *(percent(r and r["value"]) for r in found)]
        )
    columns = ["model", "tokens", "on", *(f"{share:.0%}" for share in shares)]
    return Table("Robustness to dropped and masked tokens (Figure 3)", "", columns, rows)


def tsne_table(results: dict) -> Table:
    """How apart the genera of the t-SNE picture lie."""
    rows = [
        [model, f"{find(results['records'], model, 't-sne', 'silhouette')['value']:.3f}"]
        for model in models_of(results, "t-sne")
    ]
    note = "Mean silhouette of the drawn genera by cosine, in the embedding itself."
    return Table("Genera of the t-SNE picture (Figure 2)", note, ["model", "silhouette"], rows)


def left_out_table(results: dict) -> Table:
    """What was asked for and could not be done, and why."""
    rows = [
        [row["model"] or "", row["task"] or "", row["reason"].replace("\n", " ")]
        for row in results["skipped"]
    ]
    return Table("Left out", "", ["model", "task", "reason"], rows)
