"""The benchmark at small size: that it compares equals, and what it reports."""

import json

import pytest
import torch

from barcodemae import BarcodeMAEForMaskedLM
from barcodemae.data import simulate_barcodes, write_simulated
from barcodemae.encoders.tokens import kmer_ids
from barcodemae.presets import preset_config
from benchmarks import speed
from benchmarks.embedding import compare_embedding, compare_tokenization
from benchmarks.markdown import markdown
from benchmarks.plain_baseline import PlainTokenizer
from benchmarks.timing import machine, ratio, take_turns
from benchmarks.training import compare_steps


@pytest.fixture(scope="module")
def barcodes():
    return simulate_barcodes(0, barcodes=12, species=12, genera=12, families=6, orders=2)[
        "dna_barcode"
    ].tolist()


def test_contestants_take_turns_and_warm_up_first():
    order = []
    times = take_turns(
        {"a": lambda: order.append("a"), "b": lambda: order.append("b")}, repeats=2, warm_up=1
    )
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert {name: len(values) for name, values in times.items()} == {"a": 2, "b": 2}
    assert ratio([4.0, 9.0, 2.0], [2.0, 3.0, 2.0]) == 2


def test_the_plain_tokenizer_cuts_as_ours_does(barcodes):
    ids, _ = kmer_ids([barcodes[0], "ACGNACGT"], 4)
    tokenizer = PlainTokenizer(4)
    assert tokenizer(barcodes[0], padded=False) == ids[0].tolist()
    assert tokenizer("ACGNACGT", padded=False) == [256, 27]
    assert len(tokenizer(barcodes[0])) == 165


@pytest.mark.slow
def test_the_whole_comparison_at_small_size(tmp_path, monkeypatch, barcodes):
    data = tmp_path / "barcodes.csv"
    write_simulated(data, 0, barcodes=600, truncated=0.2)
    training = compare_steps(data, "barcodemae-tiny", "fp32", 4, repeats=2, cpu=True)
    assert training["loss_difference"] < 1e-5
    assert training["largest_gradient_difference"] < 1e-5
    assert set(training["contestants"]) == {"plain baseline", "BarcodeMAE"}
    for row in training["contestants"].values():
        assert row["barcodes_per_second"] > 0
    torch.manual_seed(0)
    model = BarcodeMAEForMaskedLM(preset_config("barcodemae-tiny"))
    embedding = compare_embedding(model, barcodes, 2, torch.device("cpu"))
    assert embedding["largest_difference_from_plain"] < 1e-5
    tokenization = compare_tokenization(barcodes, 4, 2)
    assert tokenization["faster_than_plain"] > 1
    result = {"command": "x", "machine": machine(), "training": training}
    result |= {"embedding": embedding, "tokenization": tokenization}
    page = markdown(json.loads(json.dumps(result)))
    assert "| BarcodeMAE, int8 |" in page and "times the loop over a dictionary" in page


def test_a_gpu_that_is_not_there_is_said_so(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["speed", "--device", "cuda"])
    with pytest.raises(SystemExit):
        speed.main()
    assert "there is no GPU" in capsys.readouterr().err
