"""Tables and pictures from results that are given."""

import json

import numpy as np
import pytest
from matplotlib.image import imread

from barcodemae.evaluation.comparison import pack
from barcodemae.evaluation.scores import record
from experiments.table import main

N = 100
PROTOCOL = {"reference": "train", "query": "val_unseen", "rank": "genus", "supervised": False}


def line(name, seed, right, *, group="headline", kind="self-supervised", whitened=0, **changes):
    """A line of results.jsonl: `right` of 100 queries are named rightly, the first ones."""
    flags = np.arange(N) < right
    more_right = {f"{name} + whiten": pack(np.arange(N) < whitened)} if whitened else {}
    records = []
    for inference, gain in (([], 0), (["whiten"], 3), (["discriminants"], 9)):
        settings = {**PROTOCOL, "inference": inference}
        value = (right + gain) / N
        interval = [value - 0.05, value + 0.05]
        records.append(
            record(
                name, "genus-probe", "accuracy", value, n=N, settings=settings, interval=interval
            )
        )
    species = {**PROTOCOL, "query": "val", "rank": "species", "inference": []}
    records.append(record(name, "genus-probe", "accuracy", 0.9, n=50, settings=species))
    for umap_seed, ami in ((42, 0.8), (43, 0.7)):
        how = {"headline": umap_seed == 42, "inference": []}
        metric = "adjusted_mutual_information"
        records.append(record(name, "bin-clustering", metric, ami, n=N, settings=how))
    records.append(record(name, "harmonic-mean", "harmonic-mean", 0.75, n=N, settings={}))
    return {
        "key": f"{name}-seed{seed}",
        "name": name,
        "group": group,
        "kind": kind,
        "baseline": "",
        "seed": seed,
        "scale": 1,
        "epochs": 100,
        "module": "pretrain",
        "after": "",
        "manifest": "",
        "arguments": {"preset": "barcodemae-k6", "model_overrides": "{mask_ratio: 0.3}"},
        "data": {"train": "a", "val_unseen": "b"},
        "hardware": "1 x GPU",
        "barcodes_seen": 7_400_000,
        "barcodes_per_second": 9_000.0 + seed,
        "share_of_matrix_rate": 0.45,
        "validation_curve": [[1e6, 3.0, 0.3], [7e6, 2.0 - 0.1 * seed, 0.5]],
        "records": records,
        "right": {name: pack(flags), **more_right},
        **changes,
    }


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    cell = {"group": "table-2", "epochs": 35}
    untrained = {"module": "none", "epochs": 0, "validation_curve": []}
    for name in ("barcodes_seen", "barcodes_per_second", "share_of_matrix_rate", "hardware"):
        untrained[name] = None
    lines = [
        line("barcodemae", 0, 70),
        line("barcodebert", 0, 60, baseline="barcodemae"),
        line("barcodemae", 1, 72),
        line("k6-enc6-dec6", 0, 66, **cell),
        line("k4-enc4-dec2", 0, 55, **cell),
        line("plus", 0, 80, kind="semi-supervised", group="semi", baseline="barcodemae"),
        line("tuned", 0, 85, kind="supervised", group="supervised", module="finetune"),
        line("megablast", 0, 74, kind="yardstick", group="yardsticks", **untrained),
    ]
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    return folder


def cells(text, title, row):
    part = text.split(f"## {title}")[1].split("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")]
    found = next(line for line in lines[2:] if line[0] == row)
    found += [""] * (len(lines[0]) - len(found))
    return dict(zip(lines[0], found, strict=True))


def test_the_table_tells_each_run_with_its_seeds(results, tmp_path):
    assert main([str(results), "-o", str(tmp_path / "out" / "results.md")]) == 0
    text = (tmp_path / "out" / "results.md").read_text()
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    kinds = ["Self-supervised", "Semi-supervised", "Supervised", "Yardsticks", "At inference"]
    assert [heading.partition(":")[0] for heading in headings[:5]] == kinds
    row = cells(text, "Self-supervised", "barcodemae")
    assert row["seeds"] == "2" and row["genus (95 %)"] == "71.0 (66.0 to 76.0)"
    assert row["over seeds"] == "70.0 to 72.0"
    # Of the queries that only one of the two names, megablast names all: 4 and 2.
    assert row["against megablast"] == "-3.0 (-4.0 to -2.0), p = 0.12"
    assert row["species"] == "90.0" and row["harmonic mean"] == "75.0"
    assert row["BIN AMI"] == "80.0" and row["AMI over the grid"] == "75.0 (70.0 to 80.0)"
    assert row["barcodes seen"] == "7,400,000" and row["of the matrix rate"] == "45.0"
    assert cells(text, "Yardsticks", "megablast")["against megablast"] == ""
    row = cells(text, "At inference", "barcodebert")
    assert (row["plain"], row["whiten"]) == ("60.0", "63.0")
    assert row["discriminants (reads labels)"] == "69.0"
    # The seed that both have.
    row = cells(text, "One change at a time", "barcodebert")
    assert row == {"run": "barcodebert", "against": "barcodemae", "plain": "-10.0, p = 0.002"}
    row = cells(text, "Depth of encoder and decoder", "6")
    assert (row["6-6/6-6"], row["6-6/6-6, paper"]) == ("66.0", "69")
    for best in ("barcodemae", "plus", "tuned"):
        assert f"-o RESULTS --only {best}\n" in text
    assert '--model_overrides "{mask_ratio: 0.3}" --epochs 100 --seed 0' in text


def test_runs_with_fewer_epochs_stand_apart(results, tmp_path):
    short = {"scale": 0.2, "epochs": 7}
    more = [
        line("barcodemae", 0, 50, key="a", **{**short, "epochs": 20}),
        line("tuned", 0, 60, key="b", kind="supervised", baseline="barcodemae", **short),
        line("k6-enc6-dec6", 0, 40, key="c", group="table-2", **short),
    ]
    with (results / "results.jsonl").open("a") as file:
        file.write("".join(json.dumps(row) + "\n" for row in more))
    assert main([str(results), "-o", str(tmp_path / "results.md")]) == 0
    text = (tmp_path / "results.md").read_text()
    row = cells(text, "One change at a time", "tuned (x 0.2)")
    assert row["against"] == "barcodemae (x 0.2)" and row["plain"].startswith("+10.0")
    assert cells(text, "Depth of encoder and decoder (Table 2)\n", "6")["6-6/6-6"] == "66.0"
    assert cells(text, "Depth of encoder and decoder (Table 2), x 0.2", "6")["6-6/6-6"] == "40.0"
    assert "barcodemae (x 0.2)" in (tmp_path / "learning-curves.svg").read_text()


def test_runs_are_tested_under_each_option_that_both_have(tmp_path):
    lines = [
        line("barcodemae", 0, 70, whitened=90),
        line("barcodebert", 0, 60, whitened=70, baseline="barcodemae"),
    ]
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    assert main([str(tmp_path), "-o", str(tmp_path / "results.md")]) == 0
    text = (tmp_path / "results.md").read_text()
    row = cells(text, "One change at a time", "barcodebert")
    assert row["plain"] == "-10.0, p = 0.002" and row["whiten"] == "-20.0, p = 1.9e-06"
    assert len(row) == 4  # discriminants: neither has kept what was right


def test_the_command_names_the_manifest_and_the_device(results, tmp_path):
    rows = [json.loads(row) for row in (results / "results.jsonl").read_text().splitlines()]
    rows = [{**row, "manifest": "m.yaml", "hardware": "1 x CPU"} for row in rows[:2]]
    (results / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main([str(results), "-o", str(tmp_path / "results.md")]) == 0
    command = "--manifest m.yaml --only barcodemae --device cpu\n"
    assert command in (tmp_path / "results.md").read_text()


def test_pictures_stand_beside_the_table(results, tmp_path):
    speeds = [
        {"name": "VSEARCH", "accuracy": 0.71, "interval": [0.68, 0.74], "queries_per_second": 300},
        {"name": "small", "accuracy": 0.73, "interval": [0.7, 0.76], "queries_per_second": 250},
    ]
    (results / "speed_on_cpu.json").write_text(json.dumps({"contestants": speeds}))
    assert main([str(results), "-o", str(tmp_path / "results.md")]) == 0
    text = (tmp_path / "results.md").read_text()
    for name in ("learning-curves", "accuracy-and-speed"):
        assert f"({name}.png)" in text
        assert np.ptp(imread(tmp_path / f"{name}.png")) > 0
        assert (tmp_path / f"{name}.svg").read_text().count("<path") > 5
    assert not (tmp_path / "robustness.png").exists()  # nothing was measured


def test_what_cannot_be_compared_is_refused(results, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    row = line("small", 0, 50, data={"train": "x", "val_unseen": "b"})
    (other / "results.jsonl").write_text(json.dumps(row) + "\n")
    output = str(tmp_path / "results.md")
    assert main([str(results), str(other), "-o", output]) == 2
    assert "different barcodes" in capsys.readouterr().err
    (other / "results.jsonl").write_text(json.dumps(line("barcodemae", 0, 50, epochs=3)) + "\n")
    assert main([str(results), str(other), "-o", output]) == 2
    assert "other: its run barcodemae-seed0 is another" in capsys.readouterr().err
    assert main([str(tmp_path / "none"), "-o", output]) == 2
    assert "no results.jsonl" in capsys.readouterr().err
