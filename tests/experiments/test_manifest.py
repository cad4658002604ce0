"""The manifest holds what the issue asks for, in words that the scripts understand."""

from pathlib import Path

import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.published import published
from experiments.manifest import MODULES, command_line, read_manifest
from train.loop.arguments import parse_arguments
from train.pretrain import make_config

TRAINED = [run for run in read_manifest().runs if run.module in MODULES]


@pytest.mark.parametrize("run", TRAINED, ids=lambda run: run.name)
def test_every_script_takes_the_arguments_of_its_runs(run):
    run.check_arguments()
    if run.module == "pretrain":
        given = {"train_data": "x", "output_dir": "y", **run.arguments}
        make_config(parse_arguments(command_line(given)))


def test_the_headline_models_come_first_and_see_as_many_barcodes():
    runs = read_manifest().runs
    names = ["barcodemae", "barcodemae-with-mask", "barcodebert", "untrained"]
    assert [run.name for run in runs[:4]] == names
    for group in {run.group for run in runs}:
        assert len({run.epochs for run in runs if run.group == group}) == 1
    assert runs[0].epochs >= 100 and len(runs[0].seeds) == 3


def test_every_cell_of_table_2_is_there():
    cells = {paper["key"].format(k=k) for paper in published()["table_2"].values() for k in (4, 6)}
    runs = [run for run in read_manifest().runs if run.group == "table-2"]
    assert {run.arguments["preset"] for run in runs} == cells
    assert {f"barcodemae-{run.name}" for run in runs} == cells


RUN = "{name: a, group: g, module: pretrain, arguments: {preset: barcodemae-tiny}}"
GROUPS = "groups: {g: {kind: self-supervised, epochs: 1}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("runs: []", "needs `groups` and `runs`"),
        ("{", "not YAML"),
        (f"{GROUPS}runs: [{RUN.replace('group: g', 'group: h')}]", "'a'.*no group 'h'"),
        (f"{GROUPS}runs: [{RUN}, {RUN}]", "'a' stands there twice"),
        (f"{GROUPS}runs: [{RUN.replace('module: pretrain', 'module: train')}]", "module 'train'"),
        (f"{GROUPS}runs: [{RUN.replace('}}', '}, epochs: 3}')}]", "epochs are the group's"),
        (f"{GROUPS}runs: [{RUN.replace('}}', '}, colour: red}')}]", "nothing is known of colour"),
        (f"{GROUPS}runs: [{RUN.replace('}}', '}, baseline: b}')}]", "no run 'b' before it"),
        (f"{GROUPS}runs: [{RUN.replace('}}', '}, after: b}')}]", "an `after`"),
        (f"{GROUPS}runs: [{RUN.replace('}}', '}, tasks: [x]}')}]", "tasks .'x'."),
        (f"{GROUPS}runs: [{{name: a, group: g, module: none}}]", "no `model`"),
        (f"{GROUPS}runs: [{{name: a, group: g, module: none, model: vsearch}}]", "an aligner"),
        ("groups: {g: {kind: x, epochs: 1}}\nruns: [" + RUN + "]", "kind 'x'"),
        ("groups: {g: {kind: self-supervised}}\nruns: [" + RUN + "]", "epochs 0"),
    ],
)
def test_a_wrong_manifest_is_named_with_what_is_wrong(text, said, tmp_path):
    path = tmp_path / "manifest.yaml"
    path.write_text(text)
    with pytest.raises(BarcodeMAEError, match=f"manifest.yaml: .*{said}"):
        read_manifest(path)


def test_a_manifest_that_is_not_there_is_named():
    with pytest.raises(BarcodeMAEError, match="nowhere.yaml: No such file"):
        read_manifest(Path("nowhere.yaml"))


def test_what_a_script_would_refuse_is_known_before(tmp_path):
    path = tmp_path / "manifest.yaml"
    path.write_text(GROUPS + "runs: [" + RUN.replace("preset", "pre_set") + "]")
    with pytest.raises(BarcodeMAEError, match="run 'a': train.pretrain: .*--pre_set"):
        read_manifest(path).runs[0].check_arguments()


def test_runs_are_chosen_by_name_and_by_group():
    manifest = read_manifest()
    chosen = manifest.select(names=["untrained"], groups=["yardsticks"])
    assert [run.name for run in chosen] == [
        *("untrained", "6-mer frequencies", "VSEARCH", "megablast", "blastn")
    ]
    assert manifest.select() == manifest.runs
    with pytest.raises(BarcodeMAEError, match="no run 'barcodemea'. Runs: barcodemae,"):
        manifest.select(names=["barcodemea"])
    with pytest.raises(BarcodeMAEError, match="no group 'x'. Groups: headline,"):
        manifest.select(groups=["x"])
