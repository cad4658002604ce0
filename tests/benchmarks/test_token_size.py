"""The experiment on tokens of several nucleotides: it learns, and tokens are what they say."""

import sys

import numpy as np
import pandas as pd
import torch

from benchmarks import token_size


def test_k_mers_are_numbered_and_an_unknown_letter_is_one_token():
    model = token_size.KmerClassifier(3, 9, 2)
    seen = []
    model.encoder.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    model(torch.tensor([[0, 0, 0, 3, 3, 3, 0, 4, 0], [0, 0, 1, 1, 0, 0, 2, 0, 0]]))
    assert seen[0].tolist() == [[3, 3 + 63, 3 + 64], [4, 3 + 16, 3 + 32]]


def test_every_size_gets_its_row(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(80):
        letters = "".join(rng.choice(list("ACGT"), 30))
        rows.append(
            (letters[:12] + ("TATATA" if number % 2 else "GCGCGC") + letters[18:], number % 2)
        )
    pd.DataFrame(rows, columns=["nucleotides", "label"]).to_csv(tmp_path / "a.csv", index=False)
    command = f"x --train_data {tmp_path / 'a.csv'} --kmer 1 6 --seconds 0.5"
    monkeypatch.setattr(sys, "argv", command.split())
    token_size.main()
    lines = [
        line.split("|")
        for line in capsys.readouterr().out.splitlines()
        if line[:3] in ("| 1", "| 6")
    ]
    assert [int(line[1]) for line in lines] == [1, 6]
    assert int(lines[1][3].replace(",", "")) >= 32
