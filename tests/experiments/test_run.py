"""A manifest is made as a user would make it, in slices, and goes on where it stopped."""

import json

import pytest

from barcodemae.errors import BarcodeMAEError
from experiments.manifest import MANIFEST, read_manifest
from experiments.run import Runner

TINY = """
defaults: {pretrain: {preset: barcodemae-tiny, epochs: 1}}
evaluate: {reference: train, variants: whiten}
runs:
  - {name: large, module: pretrain, seeds: [0, 1], arguments: {epochs: 2}}
  - {name: tuned, module: finetune, after: large, arguments: {ranks: [genus]}}
  - {name: 6-mers, model: "kmer:6", evaluate: {variants: ""}}
"""


def manifest(tmp_path, text=TINY):
    path = tmp_path / "manifest.yaml"
    path.write_text(text)
    return read_manifest(path)


class Commands:
    """Stands for the commands: notes them, and leaves the files that they would leave."""

    def __init__(self, fails=()):
        self.given, self.fails = [], fails

    def __call__(self, command, log):
        self.given.append(" ".join(map(str, command)))
        if any(word in self.given[-1] for word in self.fails):
            return 1
        for option, folder, file in (
            ("--output_dir", "last" if "train.pretrain" in command else "best", "training.json"),
            ("-o", "", "results.json"),
        ):
            if option in command:
                path = command[command.index(option) + 1]
                path = (type(log)(path) / folder) / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps({}))
        return 0


@pytest.mark.parametrize("name", ["manifest.yaml", "manifest-cpu.yaml"])
def test_the_projects_manifests_are_what_their_scripts_take(name):
    runs = read_manifest(MANIFEST.with_name(name))
    assert runs[0].name == "barcodemae" and len({run.key for run in runs}) == len(runs)


def test_runs_are_trained_judged_and_shown_once(tmp_path):
    runs, commands = manifest(tmp_path), Commands()
    assert [run.key for run in runs] == ["large-seed0", "tuned-seed0", "6-mers", "large-seed1"]
    runner = Runner(tmp_path / "out", ["a.csv"], ["--cpu"], execute=commands)
    assert runner.make(runs) == []
    runner.show(runs)
    train, judge, tune, *_, shown = commands.given
    assert "launch --cpu -m train.pretrain --preset barcodemae-tiny --epochs 2" in train
    assert f"--model large-seed0={tmp_path}/out/runs/large-seed0/best" in judge
    assert "--reference train --variants whiten" in judge
    assert f"--model {tmp_path}/out/runs/large-seed0/best" in tune and "--seed 0" in tune
    assert shown.count("--merge") == 4
    commands.given.clear()
    assert runner.make(runs) == [] and not commands.given


def test_a_slice_that_is_over_begins_nothing_and_tells_training_when_to_stop(tmp_path):
    runs, commands = manifest(tmp_path), Commands()
    Runner(tmp_path / "out", ["a.csv"], minutes=5, execute=commands).make(runs[:1])
    assert "--stop_after_minutes 5.00" in commands.given[0]
    commands.given.clear()
    Runner(tmp_path / "over", ["a.csv"], minutes=1e-9, execute=commands).make(runs)
    assert not commands.given


def test_what_fails_keeps_only_what_starts_from_it(tmp_path):
    runs, commands = manifest(tmp_path), Commands(fails=["train.pretrain"])
    assert Runner(tmp_path / "out", ["a"], execute=commands).make(runs) == [
        "large-seed0",
        "large-seed1",
    ]
    assert not any("train.finetune" in given for given in commands.given)
    assert any("kmer:6" in given for given in commands.given)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("after: large", "after: small", "no run 'small' before it"),
        ("epochs: 2", "epoch: 2", "'large'.*train.pretrain"),
        ("module: finetune", "module: tune", "'tune' is none of pretrain, finetune"),
        ('model: "kmer:6"', "seeds: [0]", "give a `module` or a `model`"),
        ("runs:", "walks:", "it needs `runs`"),
        ("name: 6-mers", "name: large", "twice"),
    ],
)
def test_a_wrong_manifest_is_refused_by_its_file_and_run(tmp_path, old, new, said):
    with pytest.raises(BarcodeMAEError, match=f"manifest.yaml.*{said}"):
        manifest(tmp_path, TINY.replace(old, new))
