"""The experiment on the decoder's depth: windows, what counts as written, a row for each."""

import sys

import numpy as np
import pandas as pd
import torch

from benchmarks import decoder_depth


def test_windows_come_from_sequences_that_are_long_enough():
    sequences = ["ACGT" * 3, "AACCGGTT" * 10]
    found = decoder_depth.windows(sequences, 40, 5, seed=0)
    assert found.shape == (5, 40)
    text = sequences[1]
    for row in found:
        assert "".join("ACGT"[code] for code in row) in text


def test_only_nucleotides_are_judged_and_each_alike():
    model = decoder_depth.make("1+2", 16)
    assert (len(model.model.encoder.layers), len(model.model.decoder.layers)) == (1, 2)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)  # every token is as likely as any other
    judged = decoder_depth.windows(["ACGT" * 50], 80, 10, seed=0)
    loss, accuracy = decoder_depth.written(model, judged)
    np.testing.assert_allclose(loss, np.log(384), rtol=1e-5)
    assert accuracy == 0.0


def test_every_depth_gets_its_row(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(24):
        letters = "".join(rng.choice(list("ACGT" if number % 2 else "AT"), 90))
        rows.append((letters, number % 2, "dog" if number % 3 == 0 else "chimp"))
    table = pd.DataFrame(rows, columns=["nucleotides", "label", "species"])
    table.to_csv(tmp_path / "a.csv", index=False)
    command = f"x --train_data {tmp_path / 'a.csv'} --held_out species=dog --depths 2+1 1+2"
    command += " --width 16 --window 64 --seconds 0.5"
    monkeypatch.setattr(sys, "argv", command.split())
    decoder_depth.main()
    lines = [line.split("|") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [line[1].strip() for line in lines] == ["2+1", "1+2"]
    for line in lines:
        assert int(line[3].replace(",", "")) >= 8 and float(line[4]) > 0
        assert line[6].split("%")[0].strip() == "100.0"
