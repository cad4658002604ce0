"""The command line's side of export and convert."""

import sys

import pytest
import torch
from transformers import BertConfig, BertModel

from barcodemae.cli import main


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["barcodemae", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit:
        main()
    captured = capsys.readouterr()
    return exit.value.code, captured.out, captured.err


def test_export(checkpoint, tmp_path, monkeypatch, capsys):
    output = tmp_path / "repository"
    options = ["--encoder-only", "--dtype", "float16", "--repo-id", "tester/barcodes"]
    options += ["--data-name", "BIOSCAN-5M", "--data-license", "cc-by-3.0"]
    code, said, _ = run(monkeypatch, capsys, "export", checkpoint, "-o", output, *options)
    assert code == 0 and f"barcodemae push {output}" in said
    card = (output / "README.md").read_text()
    assert 'from_pretrained("tester/barcodes"' in card and "| weights | float16 |" in card
    assert "BIOSCAN-5M." in card and "Licence of the data: cc-by-3.0." in card


def test_convert_then_export(tmp_path, monkeypatch, capsys):
    config = BertConfig(
        vocab_size=4**2 + 2, hidden_size=12, num_hidden_layers=1, num_attention_heads=2
    )
    bert = BertModel(config)
    content = {"model": bert.state_dict(), "bert_config": config.to_dict()}
    torch.save(content, tmp_path / "best_pretraining.pt")
    converted = tmp_path / "converted"
    file = tmp_path / "best_pretraining.pt"
    assert run(monkeypatch, capsys, "convert", file, "-o", converted)[0] == 0
    assert run(monkeypatch, capsys, "export", converted, "-o", tmp_path / "out")[0] == 0


def test_a_fault_is_a_line_and_exit_code_2(tmp_path, monkeypatch, capsys):
    for command in ("export", "convert"):
        code, _, said = run(monkeypatch, capsys, command, tmp_path / "none", "-o", tmp_path / "out")
        assert code == 2 and said.startswith("barcodemae: ") and said.count("\n") == 1
