"""The driver of the runs: slices, resumption, failures, one line for each run."""

import json
import shutil

import numpy as np
import pytest
import torch
from sklearn.cluster import AgglomerativeClustering
from transformers import AutoModel

from barcodemae.evaluation import aligners
from barcodemae.evaluation.comparison import unpack
from barcodemae.evaluation.tasks import bin_clustering
from experiments import driver, judging
from experiments.driver import sole_owner
from experiments.results import Results
from experiments.run import main
from tiny import MANIFEST, Launcher, write_barcodes

KEYS = ["large-seed0", "tuned-seed0", "3-mers-seed0", "large-seed1"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "barcodes.csv"
    write_barcodes(path)
    return path


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No UMAP, no large matrices, no BLAST."""
    monkeypatch.setattr(judging, "can_cluster", lambda: True)
    monkeypatch.setattr(driver, "can_cluster", lambda: True)
    monkeypatch.setattr(driver, "matrix_rate", lambda *_: 1e12)
    monkeypatch.setattr(
        bin_clustering,
        "cluster",
        lambda vectors, n, *_: AgglomerativeClustering(n).fit_predict(vectors),
    )
    monkeypatch.setattr(aligners.shutil, "which", lambda _: None)


class Runs:
    """A folder of results, and the command that works on it."""

    def __init__(self, folder, data):
        self.folder = folder
        self.launcher = Launcher()
        manifest = folder / "manifest.yaml"
        manifest.write_text(MANIFEST)
        self.results = folder / "results"
        self.given = ["--data", data, "-o", self.results, "--manifest", manifest]

    def __call__(self, *options, minutes=9, device=True):
        words = [*self.given, "--minutes", minutes, *["--device", "cpu"] * device, *options]
        return main(list(map(str, words)), self.launcher, lambda: self.launcher.now)

    def rows(self):
        return {row["key"]: row for row in Results(self.results / "results.jsonl").rows()}


@pytest.fixture
def runs(tmp_path, data):
    return Runs(tmp_path, data)


def values(row, task, metric="accuracy", **settings):
    return [
        record["value"]
        for record in row["records"]
        if (record["task"], record["metric"]) == (task, metric)
        and all(record["settings"].get(name) == value for name, value in settings.items())
    ]


def test_the_same_command_makes_all_runs_slice_by_slice(runs, capsys):
    runs.launcher.next_stops_at = 3
    assert runs() == 0
    assert not runs.rows()
    said = capsys.readouterr().out
    assert "the next is large-seed0 (to be trained, goes on from step 3)" in said
    assert runs() == 0
    assert list(runs.rows()) == KEYS
    said = capsys.readouterr().out
    assert "left out: BLAST-seed0: blast:megablast: blastn, makeblastdb is not installed" in said
    assert "Nothing is left to do here" in said
    trained = len(runs.launcher.calls)
    lines = (runs.results / "results.jsonl").read_text()
    assert runs() == 0 and len(runs.launcher.calls) == trained == 4
    assert (runs.results / "results.jsonl").read_text() == lines
    check_rows(runs.rows())
    check_folders(runs)
    export(runs, capsys)


def check_rows(rows):
    large, tuned, kmers, other = rows.values()
    for row in (large, tuned, other):
        for rank in ("genus", "species"):
            (accuracy,) = values(row, "genus-probe", rank=rank, inference=[])
            assert 0 <= accuracy <= 1
        assert len(values(row, "bin-clustering", "adjusted_mutual_information")) == 2
        assert len(values(row, "harmonic-mean", "harmonic-mean")) == 1
        assert row["embedding_barcodes_per_second"] > 0
        assert row["data"].keys() == {"train", "val", "val_unseen"}
    (accuracy,) = values(large, "genus-probe", rank="genus", inference=[])
    (count,) = {r["n"] for r in large["records"] if r["settings"].get("rank") == "genus"}
    assert unpack(large["right"]["large"], count).mean() == accuracy
    assert len(values(large, "genus-probe", rank="genus", inference=["whiten"])) == 1
    assert len(values(large, "robustness", kind="drop", scope="both")) == 2
    assert not values(tuned, "robustness")
    steps = round(large["barcodes_seen"] / 16)
    barcodes, losses, _ = zip(*large["validation_curve"], strict=True)
    assert barcodes[-1] == 16 * steps and losses[-1] < losses[0]
    assert 0 < large["share_of_matrix_rate"] < 1
    assert large["validation_curve"] != other["validation_curve"]
    assert kmers["records"] and "barcodes_seen" not in kmers
    assert (
        tuned["after"] == "large-seed0"
        and tuned["barcodes_seen"] == 2 * tuned["barcodes_trained_on"]
    )


def check_folders(runs):
    module, arguments = runs.launcher.calls[2]
    assert module == "finetune"
    assert arguments[arguments.index("--model") + 1] == str(
        (runs.results / "runs" / "large-seed0" / "best").resolve()
    )
    minutes = [float(a[a.index("--stop_after_minutes") + 1]) for _, a in runs.launcher.calls]
    assert all(0 < m < 9 for m in minutes)
    assert not list((runs.results / "runs").glob("*/checkpoints"))
    assert not list((runs.results / "cache").glob("large*"))
    slices = (runs.results / "slices.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in slices] == [
        *("large-seed0", "large-seed0", "tuned-seed0", "large-seed1")
    ]


def export(runs, capsys):
    capsys.readouterr()
    assert runs("--export", "large", "--seed", "1") == 0
    folder = runs.results / "exported" / "large-seed1"
    assert capsys.readouterr().out.strip() == str(folder)
    assert AutoModel.from_pretrained(folder, dtype="auto").dtype == torch.bfloat16
    assert runs("--export", "tuned", "--budget-scale", "0.5") == 2
    assert "holds no finished run" in capsys.readouterr().err


def test_the_clustering_can_be_done_later_from_saved_embeddings(runs, monkeypatch, capsys):
    assert runs("--only", "large", "--cluster-later") == 0
    first = runs.rows()["large-seed0"]
    assert not values(first, "bin-clustering", "adjusted_mutual_information")
    stored = np.load(runs.results / "embeddings" / "large-seed0.npz")["vectors"]
    assert stored.dtype == np.float16
    shutil.rmtree(runs.results / "runs")  # as on another machine
    assert runs("--only", "large", "--list") == 0
    assert "judged, but for the clustering" in capsys.readouterr().out
    assert runs("--only", "large", "--evaluate-only") == 0
    assert list(runs.rows()) == ["large-seed0", "large-seed1"]
    later = runs.rows()["large-seed0"]
    assert later["records"][: len(first["records"])] == first["records"]
    assert len(values(later, "bin-clustering", "adjusted_mutual_information")) == 2
    assert len(values(later, "harmonic-mean", "harmonic-mean")) == 1
    # What starts from a model that stayed behind has it trained again, and its line stays.
    assert runs("--only", "tuned") == 0
    assert [module for module, _ in runs.launcher.calls[2:]] == ["pretrain", "finetune"]
    assert list(runs.rows()) == ["large-seed0", "large-seed1", "tuned-seed0"]


def test_a_run_that_fails_does_not_keep_the_others(runs, capsys):
    runs.launcher.next_status = 3
    assert runs("--only", "large", "3-mers") == 1
    said = capsys.readouterr().out
    assert "large-seed0: FAILED: training ended with status 3" in said and "trained" in said
    assert "failed: large-seed0" in said
    assert list(runs.rows()) == ["3-mers-seed0", "large-seed1"]
    assert runs("--only", "large", "--budget-scale", "0.5", "--list") == 0
    assert "large-seed0-x0.5" in capsys.readouterr().out  # another budget, another run
    assert runs("--only", "large") == 0
    assert list(runs.rows()) == ["3-mers-seed0", "large-seed1", "large-seed0"]


def test_an_unforeseen_fault_does_not_keep_the_others(runs, capsys, monkeypatch):
    def speed(judge, row, context):
        raise ValueError("Input X contains NaN")

    with monkeypatch.context() as patched:
        patched.setattr(judging.Judge, "_speed", speed)
        assert runs("--only", "large", "3-mers") == 1
    said = capsys.readouterr()
    assert "large-seed0: FAILED: Input X contains NaN" in said.out
    assert "in speed" in said.err  # the traceback
    assert not runs.rows()
    assert runs("--only", "large", "3-mers") == 0
    assert list(runs.rows()) == ["large-seed0", "3-mers-seed0", "large-seed1"]
    assert len(runs.launcher.calls) == 2


def test_a_task_that_cannot_be_done_is_not_done(runs, capsys, monkeypatch):
    def run(rows, tasks, context):
        return [], [{"model": rows[0].model, "reason": "the program crashed"}]

    with monkeypatch.context() as patched:
        patched.setattr(judging.evaluator, "run", run)
        assert runs("--only", "3-mers") == 1
    assert "3-mers-seed0: FAILED: genus-probe: the program crashed" in capsys.readouterr().out
    assert runs("--only", "3-mers") == 0
    assert list(runs.rows()) == ["3-mers-seed0"]


def test_what_was_judged_as_the_time_ran_out_is_kept(runs, monkeypatch):
    save = judging.save_embeddings

    def slowly(*arguments):
        save(*arguments)
        runs.launcher.now += 600

    monkeypatch.setattr(judging, "save_embeddings", slowly)
    assert runs("--only", "tuned", "3-mers", "--cluster-later") == 0  # trains what it starts from
    assert list(runs.rows()) == ["tuned-seed0"]


def test_what_starts_from_a_failed_run_is_not_tried(runs, capsys):
    runs.launcher.next_status = 3
    assert runs("--only", "tuned", "3-mers") == 1
    assert "failed: large-seed0" in capsys.readouterr().out
    assert [module for module, _ in runs.launcher.calls] == ["pretrain"]
    assert list(runs.rows()) == ["3-mers-seed0"]


def test_a_run_of_another_manifest_is_not_taken_for_this_one(runs, capsys):
    assert runs("--only", "3-mers") == 0
    manifest = runs.folder / "manifest.yaml"
    manifest.write_text(MANIFEST.replace("yardsticks: {", "yardsticks: {epochs: 3, "))
    assert runs("--only", "3-mers") == 2
    assert "3-mers-seed0 was made with other arguments or epochs" in capsys.readouterr().err


def test_bad_input_is_told_before_any_work(runs, data, tmp_path, capsys):
    def refused(*options):
        assert runs(*options) == 2
        return capsys.readouterr().err

    assert "there is no run 'larg'. Runs: large, tuned" in refused("--only", "larg")
    assert "there is no group 'x'. Groups: first" in refused("--group", "x")
    assert "--minutes and --budget-scale must be positive" in refused("--minutes", "0")
    runs.given[1] = tmp_path / "nowhere.csv"
    assert "nowhere.csv" in refused()
    few = tmp_path / "few.csv"
    few.write_text("".join(r for r in data.open() if "val_unseen" not in r))
    runs.given[1] = few
    assert "no barcode in the split 'val_unseen'" in refused()
    runs.given[:2] = []
    assert "give --data" in refused()
    assert not runs.launcher.calls


def test_two_drivers_do_not_work_in_one_folder(runs, capsys):
    runs.results.mkdir()
    with sole_owner(runs.results / ".lock"):
        assert runs() == 2
    assert "another driver works there" in capsys.readouterr().err


def test_a_damaged_line_is_named(runs, capsys):
    runs.results.mkdir()
    (runs.results / "results.jsonl").write_text('{"key": "a"}\n{"key": \n')
    assert runs() == 2
    assert "results.jsonl: line 2 is damaged" in capsys.readouterr().err
