"""Sampled children of strains, and what they are judged by."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from barcodemae.errors import BarcodeMAEError
from barcodemae.presets import preset_config
from enbed import EnbedForConditionalGeneration
from grid_barcodemae import UNKNOWN
from train.enbed import mutations
from train.enbed.children import PairCollator
from train.enbed.mutations import Frequencies, PlaceByPlace, Writer, divide, judge
from train.enbed.pretraining import EnbedArguments, EnbedPretraining
from train.enbed.strains import Pairs

TINY = "{hidden_size: 16, num_layers: 1, num_decoder_layers: 1, num_heads: 2, radii: [16],"
TINY += " intermediate_size: 32, dropout_rate: 0.0}"


def pairs(count=12, length=240):
    """Every child differs at place 7 (A to C); half of them at 90, too."""
    rng = np.random.default_rng(0)
    parents = rng.integers(0, 4, (count, length)).astype(np.uint8)
    parents[:, [7, 90]] = 0
    children = parents.copy()
    children[:, 7] = 1
    children[::2, 90] = 2
    return Pairs(parents, children, np.arange(2000.0, 2000.0 + count))


def test_a_copy_is_as_far_as_the_mutations_are_many_and_has_none():
    figures = judge(lambda parent, number: [parent] * number, pairs(), children=3)
    assert figures == {
        "distance": 1.5,
        "mutations": 0.0,
        "true_share": 0.0,
        "parents_with_a_true_one": 0.0,
        "drifted": 0.0,
    }


def test_letters_are_drawn_beside_the_parents_own():
    config = preset_config("enbed-tiny", **yaml.safe_load(TINY))
    model = EnbedForConditionalGeneration(config).eval()
    parent = pairs(1, 150).parents[0]
    parent[:5] = UNKNOWN
    sampler = PlaceByPlace(model, window=60)
    shares = sampler.shares(parent)
    ids = torch.tensor([[*(ord("ACGT"[code]) + 3 for code in parent[5:65]), 1]])
    logits = model(ids, labels=ids).logits[0, :60, [68, 70, 74, 87]].double()
    np.testing.assert_allclose(shares[5:65], logits.softmax(1).detach(), atol=1e-6)
    children = np.array(sampler(parent, 400))
    assert (children[:, :5] == UNKNOWN).all()
    drawn = (children[:, 5:, None] == np.arange(4)).mean(axis=0)
    assert np.abs(drawn - shares[5:]).max() < 0.15


def test_who_knows_what_comes_is_told_right_and_wrong():
    known = pairs()
    child_of = {p.tobytes(): c for p, c in zip(known.parents, known.children, strict=True)}

    def oracle(parent, number):
        wrong = child_of[parent.tobytes()].copy()
        wrong[200] = (wrong[200] + 1) % 4
        return [child_of[parent.tobytes()], wrong, parent[:-1]]

    figures = judge(oracle, known, children=3)
    # Of two samples with 1.5 right mutations on average, one has a wrong one more.
    assert figures["true_share"] == pytest.approx(3 / 4) and figures["drifted"] == 1 / 3
    assert figures["distance"] == 1 and figures["parents_with_a_true_one"] == 1


def test_children_of_one_parent_are_judged_together():
    two = pairs(2)
    two.parents[1] = two.parents[0]
    two.children[1] = two.parents[0]
    two.children[1, 30] = (two.parents[0, 30] + 1) % 4
    figures = judge(lambda parent, number: [two.children[1]] * number, two, children=2)
    assert figures["distance"] == 0 and figures["true_share"] == 1


def test_frequencies_mutate_where_training_did():
    known = pairs(200)
    children = np.array(Frequencies(known)(known.parents[1], 400))
    changed = (children != known.parents[1]).mean(axis=0)
    assert changed[7] > 0.9 and 0.4 < changed[90] < 0.6
    assert np.delete(changed, [7, 90]).max() < 0.05
    assert (children[:, 7][children[:, 7] != 0] == 1).mean() > 0.9


def test_pairs_are_divided_by_time():
    before, later = divide(pairs(), "2008")
    assert before.times.max() == 2007 and later.times.min() == 2008
    for faulty in ("1990", "2050", "soon"):
        with pytest.raises(BarcodeMAEError, match="--test_from"):
            divide(pairs(), faulty)


def test_windows_lie_anywhere_and_unknown_letters_are_no_lesson():
    known = pairs()
    known.children[:, 8] = UNKNOWN
    draws = [(i, known.parents[i], known.children[i]) for i in range(12)]
    batch = PairCollator(64, seed=0, end=11)(draws)
    assert batch["input_ids"].shape == (12, 65) and (batch["labels"][11] == -100).all()
    assert 81 not in batch["labels"]
    many = PairCollator(64, seed=0)([(i, known.parents[0], known.children[0]) for i in range(500)])
    differs = (many["labels"] != many["input_ids"]) & (many["labels"] != -100)
    # Of 177 places where a window may begin, 64 show the mutation at 90, and 8 that at 7.
    assert differs.sum() / 500 == pytest.approx(72 / 177, abs=0.06)
    again = PairCollator(64, seed=0)(draws[3:4])
    assert torch.equal(again["input_ids"][0], batch["input_ids"][3])


def strains(path):
    rng = np.random.default_rng(3)
    rows, codes = [], rng.integers(0, 4, 260)
    for year in range(2000, 2010):
        for _ in range(4):
            young = codes.copy()
            young[rng.integers(0, 260, 2)] = rng.integers(0, 4, 2)
            rows.append(("".join("ACGT"[c] for c in young), str(year)))
        codes = young
    pd.DataFrame(rows, columns=["nucleotides", "season"]).to_csv(path, index=False)


def test_a_model_is_trained_and_judged_by_the_commands(tmp_path, monkeypatch):
    data = tmp_path / "flu.csv"
    strains(data)
    given = {"pairs": "season", "test_from": "2007", "window": 130, "max_steps": 4}
    given |= {"objective": "mutations", "preset": "enbed-tiny", "model_overrides": TINY}
    given |= {"batch_size": 8, "validation_share": 0.1, "cpu": True}
    run = EnbedPretraining(
        EnbedArguments(train_data=[str(data)], output_dir=str(tmp_path / "run"), **given)
    )
    run.run()
    assert all(time < "2007" for time in run.training.barcodes.times)
    assert run.next_command.startswith("python -m train.enbed.mutations --model")
    output = tmp_path / "figures.json"
    command = f"x --model {tmp_path / 'run' / 'best'} --train_data {data} --pairs season"
    command += f" --test_from 2007 --children 2 --most 3 --window 130 --output {output}"
    monkeypatch.setattr(sys, "argv", command.split())
    mutations.main()
    figures = json.loads(output.read_text())
    assert figures["judged_pairs"] == 3 and figures["copy"]["distance"] > 0
    assert set(figures["model"]) == set(figures["copy"])
    monkeypatch.setattr(sys, "argv", command.replace("2007", "1990").split())
    with pytest.raises(SystemExit, match="2"):
        mutations.main()


def test_children_are_written_window_by_window():
    config = EnbedPretraining.__init__.__globals__["make_config"](
        EnbedArguments(preset="enbed-tiny", model_overrides=TINY)
    )
    torch.manual_seed(0)
    model = EnbedForConditionalGeneration(config)
    parent = pairs().parents[0]
    parent[:20] = UNKNOWN
    written = Writer(model, window=100)(parent, 2)
    assert len(written) == 2 and all((child[:20] == UNKNOWN).all() for child in written)
