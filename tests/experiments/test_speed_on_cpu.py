import json

import torch

from barcodemae import BarcodeMAEConfig, BarcodeMAEModel
from barcodemae.evaluation import aligners
from barcodemae.evaluation.aligners import Named
from experiments.speed_on_cpu import main
from tiny import write_barcodes


def test_models_and_vsearch_are_measured_side_by_side(tmp_path, monkeypatch, capsys):
    class Answers:
        """Stands for VSEARCH: names all queries after the first reference."""

        def __init__(self, spec, threads):
            assert (spec, threads) == ("vsearch", 1)

        def name_queries(self, reference, labels, query, seed):
            return Named([labels[0]] * len(query), 0.1, 0.1)

    monkeypatch.setattr("experiments.speed_on_cpu.Aligner", Answers)
    write_barcodes(tmp_path / "barcodes.csv")
    torch.manual_seed(0)
    config = BarcodeMAEConfig.preset("barcodemae-tiny", num_hidden_layers=1)
    BarcodeMAEModel(config).save_pretrained(tmp_path / "model")
    results = tmp_path / "results"
    given = [results, "--data", tmp_path / "barcodes.csv", "--model", f"ours={tmp_path / 'model'}"]
    assert main(list(map(str, given))) == 0
    found = json.loads((results / "speed_on_cpu.json").read_text())
    lines = {line["name"]: line for line in found["contestants"]}
    assert list(lines) == ["6-mer frequencies", "VSEARCH", "ours, fp32", "ours, int8"]
    for line in lines.values():
        assert line["queries_per_second"] > 0 and line["repeats"] == 3
        assert line["interval"][0] <= line["accuracy"] <= line["interval"][1]
    assert lines["6-mer frequencies"]["accuracy"] > lines["VSEARCH"]["accuracy"]
    assert "queries/s" in capsys.readouterr().out
    monkeypatch.setattr("experiments.speed_on_cpu.Aligner", aligners.Aligner)
    monkeypatch.setattr(aligners.shutil, "which", lambda _: None)
    assert main(list(map(str, given))) == 2
    assert "vsearch is not installed" in capsys.readouterr().err
