"""The command, end to end."""

import json
import re
from functools import partial, partialmethod

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from barcodemae import BarcodeMAEModel
from barcodemae.cli import app
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation import evaluator, figures, run_report
from barcodemae.evaluation.settings import Settings
from barcodemae.evaluation.tasks import bin_clustering, t_sne
from barcodemae.presets import preset_config

CHEAP = ["--tasks", "genus-probe,robustness,t-sne", "--shares", "0,0.5"]


@pytest.fixture(scope="module")
def data(tmp_path_factory, made_table):
    path = tmp_path_factory.mktemp("data") / "barcodes.csv"
    made_table.to_csv(path, index=False)
    return path


@pytest.fixture
def evaluate(data, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    # What only takes time: resamples, steps of t-SNE, dots in figures.
    monkeypatch.setattr(Settings, "__init__", partialmethod(Settings.__init__, bootstrap=50))
    monkeypatch.setattr(t_sne, "TSNE", partial(t_sne.TSNE, max_iter=250))
    monkeypatch.setattr(figures, "DPI", 40)

    def run(*arguments, output="run", tasks=True):
        command = ["evaluate", "--data", str(data), "-o", str(tmp_path / output), *arguments]
        found = CliRunner().invoke(app, command, catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return tmp_path / output, found.output

    return run


def test_a_run_is_one_folder(evaluate):
    models = [
        "--model",
        "kmer:4",
        "--model",
        "untrained:barcodemae-tiny",
        "--model",
        "HyenaDNA-tiny",
    ]
    folder, output = evaluate(*models, *CHEAP, "--variants", "centre,discriminants")
    frame = pd.json_normalize(json.loads((folder / "results.json").read_text()), "records")
    assert set(frame["task"]) == {"genus-probe", "robustness", "t-sne"}
    assert {"model", "metric", "value", "interval", "n", "seed", "duration"} <= set(frame)
    assert frame["value"].notna().all() and (frame["duration"] >= 0).all()
    supervised = frame[frame["settings.supervised"] == True]["model"].unique()  # noqa: E712
    assert all(name.endswith("+ discriminants") for name in supervised) and len(supervised) == 2
    assert "left out: HyenaDNA-tiny, all" in output and "cannot be loaded" in output
    names = {path.name for path in folder.iterdir()}
    for figure in ("accuracy", "figure-2-t-sne", "figure-3-robustness"):
        assert {f"{figure}.png", f"{figure}.svg"} <= names
        assert (folder / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
    text = (folder / "results.md").read_text()
    assert "| kmer:4 + discriminants (supervised) |" in text and "HyenaDNA-tiny" in text


@pytest.mark.parametrize(
    ("given", "clustering", "seen"),
    [
        ({"query": "test_unseen"}, "test,test_unseen", "test"),
        ({"query": "val_unseen"}, "val,val_unseen", "val"),
        ({"query": "test"}, "test", "test"),
        ({"query": "val_unseen", "clustering": "val", "seen": "key"}, "val", "key"),
    ],
)
def test_the_other_splits_follow_the_query(given, clustering, seen, tmp_path, monkeypatch):
    requests = []
    monkeypatch.setattr(evaluator, "evaluate", lambda r: requests.append(r) or 1 / 0)
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    with pytest.raises(ZeroDivisionError):
        command = ["evaluate", "--model", "kmer:3", "-o", str(tmp_path / "run"), *words]
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert requests[0].settings.clustering == clustering and requests[0].settings.seen == seen


def test_the_html_report_stands_alone(evaluate):
    # $ begins a formula of Matplotlib's.
    folder, _ = evaluate("--model", "a|$\\frac$=kmer:3", "--model", "<b>=kmer:2", *CHEAP)
    text = (folder / "results.md").read_text()
    assert r"| a\|\$\\frac\$ |" in text and r"| \<b\> |" in text
    page = (folder / "report.html").read_text()
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert page.count("data:image/png;base64,") == 3
    assert "&lt;b&gt;" in page and "<b>" not in page


def test_a_second_run_computes_nothing_again(evaluate, monkeypatch):
    arguments = ["--model", "kmer:3", *CHEAP]
    folder, _ = evaluate(*arguments)
    first = json.loads((folder / "results.json").read_text())["records"]
    from barcodemae.encoders.kmer_frequencies import KmerFrequencies

    monkeypatch.setattr(KmerFrequencies, "embed", None)
    evaluate(*arguments)
    assert json.loads((folder / "results.json").read_text())["records"] == first


def test_runs_merge_into_one_comparison(evaluate, data, tmp_path):
    tasks = ["--tasks", "genus-probe"]
    first, _ = evaluate("--model", "kmer:2", *tasks, output="first")
    both, _ = evaluate("--model", "kmer:3", *tasks, "--merge", str(first), output="both")
    results = run_report.read_results(both)
    assert set(results["models"]) == {"kmer:2", "kmer:3"}
    again = run_report.merge([results, results])
    assert again["records"] == results["records"]
    # A model that was made anew: what was just measured stands, not what the folder has of before.
    before = run_report.read_results(both)
    for record in before["records"]:
        record["value"] = 0.125
    assert run_report.merge([results, before])["records"] == results["records"]
    before["models"]["kmer:2"]["dimensions"] = 99
    with pytest.raises(BarcodeMAEError, match="two models called 'kmer:2': dimensions 16 in one"):
        run_report.merge([results, before])
    alone = CliRunner().invoke(app, ["evaluate", "--merge", str(both), "-o", str(tmp_path / "m")])
    assert alone.exit_code == 0 and "kmer:2" in (tmp_path / "m" / "results.md").read_text()
    results["data"]["sha256"]["train"] = "other"
    with pytest.raises(BarcodeMAEError, match="split 'train' holds different barcodes"):
        run_report.merge([run_report.read_results(both), results])
    with pytest.raises(BarcodeMAEError, match="not a run"):
        run_report.read_results(tmp_path)


def test_runs_of_another_protocol_do_not_merge(evaluate):
    genus, _ = evaluate("--model", "kmer:3", "--tasks", "genus-probe", output="genus")
    options = ["--rank", "family", "--tasks", "genus-probe"]
    family, _ = evaluate("--model", "kmer:2", *options, output="family")
    with pytest.raises(BarcodeMAEError, match="genus-probe has rank 'genus' in one and 'family'"):
        run_report.merge([run_report.read_results(genus), run_report.read_results(family)])


def test_merged_models_are_tested_against_the_first_of_all(evaluate):
    tasks = ["--tasks", "genus-probe"]
    two, three = ["--model", "kmer:2"], ["--model", "kmer:3"]
    together, alone, turned = (
        run_report.read_results(evaluate(*models, *tasks, output=str(number))[0])
        for number, models in enumerate([two + three, two, three + two])
    )
    (expected,) = _differences(together)
    assert expected["model"] == "kmer:3" and expected["settings"]["against"] == "kmer:2"
    assert _differences(turned)[0]["settings"]["against"] == "kmer:3"
    (found,) = _differences(run_report.merge([alone, turned]))
    assert {**found, "duration": 0} == {**expected, "duration": 0}
    del turned["right"]  # as an earlier version wrote it
    assert _differences(run_report.merge([alone, turned])) == []
    assert _differences(run_report.merge([turned, alone])) == _differences(turned)


def test_merged_runs_have_intervals_by_species_or_none(evaluate):
    two, three = (
        run_report.read_results(
            evaluate("--model", model, "--tasks", "genus-probe", output=model)[0]
        )
        for model in ("kmer:2", "kmer:3")
    )
    expected = _intervals(run_report.merge([three, two]), "kmer:2")
    for row in two["records"]:  # as an earlier version drew them, barcode by barcode
        row["interval"] = row["interval"] and [0.1, 0.9]
    merged = run_report.merge([three, two])
    found = _intervals(merged, "kmer:2")
    for metric in ("accuracy", "balanced_accuracy", "f1_micro"):
        assert found[metric] == expected[metric] != [0.1, 0.9]
    assert found["f1_macro"] is None and figures.accuracy(merged) is not None
    assert _intervals(merged, "kmer:3") == _intervals(three, "kmer:3")
    del two["right"]
    merged = run_report.merge([three, two])
    assert not any(_intervals(merged, "kmer:2").values())
    assert figures.accuracy(merged) is not None


def _intervals(results, model):
    rows = [row for row in results["records"] if row["model"] == model]
    return {row["metric"]: row["interval"] for row in rows if "difference" not in row["metric"]}


def _differences(results):
    return [row for row in results["records"] if row["metric"] == "accuracy_difference"]


def test_harmonic_mean_follows_from_both_tasks(evaluate, monkeypatch):
    monkeypatch.setattr(bin_clustering, "cluster", _by_thirds)
    folder, _ = evaluate("--model", "kmer:3", "--tasks", "harmonic-mean")
    frame = pd.DataFrame(run_report.read_results(folder)["records"])
    value = {
        metric: frame[frame["metric"] == metric]["value"].iloc[0]
        for metric in ("accuracy", "adjusted_mutual_information", "harmonic-mean")
    }
    expected = 2 / (1 / value["accuracy"] + 1 / value["adjusted_mutual_information"])
    assert value["harmonic-mean"] == pytest.approx(expected)
    assert "homogeneity" in (folder / "results.md").read_text()


def _by_thirds(vectors, number, neighbours, seed):
    return np.argsort(np.argsort(vectors[:, 0])) // 3


def test_the_papers_recipe_says_what_it_leaves_out(evaluate, tmp_path, monkeypatch):
    monkeypatch.setattr(bin_clustering, "cluster", _by_thirds)
    torch.manual_seed(0)
    model = BarcodeMAEModel(preset_config("barcodemae-tiny"))
    model.save_pretrained(tmp_path / "tiny")
    weights = ["--weights", f"barcodemae-k6={tmp_path / 'tiny'}"]
    folder, output = evaluate("--recipe", "paper", *weights, "--shares", "0,0.5")
    results = run_report.read_results(folder)
    tasks = {r["task"] for r in results["records"] if r["model"] == "barcodemae-k6"}
    assert tasks == {"genus-probe", "bin-clustering", "harmonic-mean", "robustness", "t-sne"}
    left_out = {row["model"]: row["reason"] for row in results["skipped"]}
    assert (
        left_out["barcodebert-bioscan"] == "no checkpoint given: --weights barcodebert-bioscan=DIR"
    )
    assert "cannot be loaded" in left_out["DNABERT-2"] or "not installed" in left_out["DNABERT-2"]
    assert "run at a fixed commit alone" in left_out["DNABERT-S"]
    assert "left out: barcodemae-k4-enc4-dec2" in output
    assert "not recorded here" in left_out["Table 3"]


def test_too_few_labels_for_discriminants_are_found_before_any_work(
    made_table, tmp_path, monkeypatch
):
    """One barcode of each species in the reference: nothing varies within."""
    few = made_table[made_table["split"] == "train"].drop_duplicates("species")
    rest = made_table[made_table["split"] != "train"]
    pd.concat([few, rest]).to_csv(tmp_path / "few.csv", index=False)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    monkeypatch.setattr(evaluator, "load_rows", lambda *_, **__: pytest.fail("a model was loaded"))
    command = ["evaluate", "--data", str(tmp_path / "few.csv"), "-o", str(tmp_path / "run")]
    command += ["--model", "kmer:3", "--tasks", "genus-probe", "--rank", "species"]
    command += ["--query", "test", "--variants", "centre,offsets+discriminants"]
    with pytest.raises(BarcodeMAEError, match="16 labelled barcodes of 16 taxa"):
        CliRunner().invoke(app, command, catch_exceptions=False)


def test_bad_input_of_a_recipes_last_part_stops_the_first(evaluate, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluator, "load_rows", lambda *_, **__: pytest.fail("a model was loaded"))
    models = [{"label": "kmer:3", "model": "kmer:3"}]
    runs = [
        {"title": "A", "tasks": ["genus-probe"], "models": models},
        {"title": "B", "tasks": ["t-sne"], "models": models},
    ]
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(json.dumps({"settings": {"tsne_smaller_than": 3}, "runs": runs}))
    with pytest.raises(BarcodeMAEError, match="t-SNE draws genera"):
        evaluate("--recipe", str(recipe))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "kmer:3", "--query", "absent"], "split 'absent' .* Splits there: test"),
        (["--model", "kmer:3", "--tasks", "naming"], "no task 'naming'"),
        (["--model", "kmer:3", "--model", "kmer:3"], "kmer:3 is given twice"),
        (["--model", "kmer:99", "--tasks", "genus-probe"], "none of the models .*1 to 12"),
        (["--model", "kmer:3", "--variants", "pca"], "no inference option 'pca'"),
        (["--model", "kmer:3", "--shares", "a"], "--shares a"),
        (["--model", "kmer:3", "--rank", "tribe"], "--rank tribe: no such rank; ranks: kingdom"),
        (["--recipe", "paper", "--weights", "x=y"], "the recipe names no such model"),
        (["--recipe", "paper", "--weights", "barcodemae-k6=absent"], "absent cannot be loaded"),
        (["--recipe", "absent.yaml"], "`paper` is built in"),
        ([], "nothing to do"),
    ],
)
def test_bad_input_is_said_in_a_line(evaluate, arguments, message):
    with pytest.raises(BarcodeMAEError, match=re.compile(message, re.DOTALL)):
        evaluate(*arguments)
