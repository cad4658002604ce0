"""Results as tables: the paper's, and those that it does not have."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from barcodemae.cells import markdown
from barcodemae.evaluation.comparison import DIFFERENCES, baselines_of
from barcodemae.evaluation.layout import (
    AMI,
    Table,
    headline_record,
    markdown_rows,
    marked,
    mean_and_range,
    models_of,
    share,
    with_interval,
)
from barcodemae.evaluation.paper_tables import depth_table, main_table, objective_table
from barcodemae.evaluation.scores import find
from barcodemae.evaluation.settings import WITHOUT_UMAP


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
        rows.append([marked(results, model), *cells, *seconds])
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


def clustering_table(results: dict) -> Table:
    """The clustering headline, and the grid over UMAP neighbours (mean and range of the seeds)."""
    settings = results["settings"]
    rows = []
    for model in models_of(results, "bin-clustering"):
        names = (AMI, "homogeneity", "completeness", "v_measure")
        cells = [share(headline_record(results["records"], model, name)) for name in names]
        for neighbours in settings["umap_grid"]:
            values = [
                row["value"]
                for row in results["records"]
                if (row["model"], row["task"], row["metric"]) == (model, "bin-clustering", AMI)
                and row["settings"]["umap_neighbours"] == neighbours
            ]
            cells.append(mean_and_range(values) if len(values) > 1 else "")
        how = {"umap_neighbours": WITHOUT_UMAP}
        cells.append(share(find(results["records"], model, "bin-clustering", AMI, **how)))
        rows.append([marked(results, model), *cells])
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


def linear_probe_table(results: dict) -> Table:
    """Species of the seen split from frozen embeddings."""
    heads = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}
    heads["f1_macro"] = "F1 macro"
    note = f"Species of `{results['settings']['seen']}`, learned on the reference."
    return _of_metrics(results, "linear-probe", "Linear probe", note, heads, with_interval)


def open_set_table(results: dict) -> Table:
    """Known against new species, and how far the genus that is named can be relied on."""
    metrics = {
        "auroc_known": "AUROC known/new",
        "genus_of_new": "genus of new species",
        "coverage_of_new_at_95": "new species answered at 95 %",
        "coverage_of_known_at_99": "known species named at 99 %",
        "calibration_error_of_genus": "calibration error of the genus",
    }
    settings = results["settings"]
    note = (
        f"Known: `{settings['seen']}`; new: `{settings['query']}`. Models answer as `identify` "
        "does, aligners by the identity of the best hit."
    )
    return _of_metrics(results, "open-set", "Open set", note, metrics, share)


def _of_metrics(
    results: dict, task: str, title: str, note: str, heads: dict[str, str], cell: Callable
) -> Table:
    """A row for each model of a task, and a column for each metric, under its head."""
    get = partial(find, results["records"])
    rows = [
        [marked(results, model), *(cell(get(model, task, metric)) for metric in heads)]
        for model in models_of(results, task)
    ]
    return Table(title, note, ["model", *heads.values()], rows)


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
        get = partial(find, results["records"], model, "robustness", "accuracy")
        cells = [share(get(kind=kind, scope=scope, share=each)) for each in shares]
        rows.append([marked(results, model), kind, scope, *cells])
    columns = ["model", "tokens", "on", *(f"{each:.0%}" for each in shares)]
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
    columns = ["model", "task", "reason"]
    texts = ([row[name] or "" for name in columns] for row in results["skipped"])
    rows = [[text.replace("\n", " ") for text in row] for row in texts]
    return Table("Left out", "", columns, rows)
