"""Training on the grid as its users start it: masked k-mers, contrast, both."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModel

from barcodemae import BarcodeMAEConfig, BarcodeMAEForMaskedLM, BarcodeMAEModel
from barcodemae.data import read_barcodes
from barcodemae.data.grid import coi_grid
from barcodemae.errors import BarcodeMAEError
from coi import noise
from grid_barcodemae import Grid
from runs import OPTIONS, kill, start, train, wait_for
from train import finetune
from train.contrast.contrasting import Contrasting
from train.contrast.laid import LaidBarcodes
from train.contrast.start import states_of
from train.loop.arguments import PretrainArguments
from train.loop.parsing import named_argument
from train.pretrain import Pretraining, run_of

TINY = (
    "{kmer_size: 3, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, "
    "num_attention_heads: 2, decoder_hidden_size: 32, decoder_intermediate_size: 64, "
    "decoder_num_hidden_layers: 1, decoder_num_attention_heads: 2, pooling: sites, site_size: 6, "
    "embedding_size: 24, max_position_embeddings: 219, nucleotide_init: true, "
    "hidden_dropout_prob: 0, attention_probs_dropout_prob: 0}"
)
BOTH = {
    "model_overrides": TINY,
    "batch_size": 16,
    "label_rank": "genus",
    "label_taxa": 2,
    "label_barcodes": 4,
    "label_weight": 1.0,
    "label_warm_up_epochs": 0.0,
    "window_share": 0.5,
    "drop": 0.3,
    "noise": 0.01,
    "warm_up_steps": 5,
}
CONTRAST = {**BOTH, "masked_weight": 0.0, "label_taxa": 4}
MASKED = {**BOTH, "label_rank": ""}
# All that the shipped recipe has, beside.
MORE = {
    "species_weight": 0.5,
    "proxy_ranks": ["species=0.2", "genus=0.5"],
    "evolve": 0.5,
    "average": 0.9,
}


def run(data, output_dir, **arguments):
    files = {"train_data": [str(data)], "output_dir": str(output_dir)}
    run_of(PretrainArguments(**{**files, **OPTIONS, **arguments})).run()
    lines = (output_dir / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_contrast_makes_the_encoder_tell_genera_apart(coi_data, tmp_path):
    lines = run(coi_data, tmp_path / "run", **CONTRAST, max_steps=60, validate_every=30)
    found = [line for line in lines if "validation_genus_accuracy" in line]
    assert [line["step"] for line in found] == [0, 30, 60]
    steps = [line for line in lines if "loss" in line]
    assert np.mean([line["loss"] for line in steps[-10:]]) < 0.7 * steps[0]["loss"]
    assert found[-1]["validation_loss"] == pytest.approx(1 - found[-1]["validation_genus_accuracy"])
    assert found[-1]["validation_genus_accuracy"] >= 0.75
    record = json.loads((tmp_path / "run" / "last" / "training.json").read_text())
    assert record["data"]["label_rank"] == "genus" and record["data"]["n_taxa"] == 10
    assert record["data"]["n_barcodes"] < 200  # without what is held out and what is no COI
    model = AutoModel.from_pretrained(tmp_path / "run" / "last")
    assert type(model).__name__ == "BarcodeMAEModel" and model.config.embedding_size == 24
    assert (tmp_path / "run" / "last" / "grid.safetensors").exists()


def test_both_losses_are_learned_and_told_apart(coi_data, tmp_path):
    lines = run(coi_data, tmp_path / "run", **BOTH)
    steps = [line for line in lines if "loss" in line]
    assert all(line["loss"] > 0 and line["genus_loss"] > 0 for line in steps)
    validations = [line for line in lines if "validation_masked_loss" in line]
    assert validations[-1]["validation_masked_loss"] < validations[0]["validation_masked_loss"]
    weights = load_file(tmp_path / "run" / "last" / "model.safetensors")
    assert "head.weight" in weights and "barcodemae.site_pooling.projection.weight" in weights


def test_several_ranks_are_learned_at_once_and_proxies_are_left_behind(coi_data, tmp_path):
    lines = run(coi_data, tmp_path / "run", **CONTRAST, **MORE, max_steps=40, validate_every=20)
    steps = [line for line in lines if "loss" in line]
    for name in ("loss", "species_loss", "genus_proxy_loss", "species_proxy_loss"):
        first, last = (np.mean([line[name] for line in part]) for part in (steps[:5], steps[-5:]))
        assert last < first, name
    found = [line["validation_genus_accuracy"] for line in lines if "validation_loss" in line]
    assert len(found) == 3 and found[-1] >= found[0]
    weights = load_file(tmp_path / "run" / "last" / "model.safetensors")
    assert "site_pooling.projection.weight" in weights
    assert not any("prox" in name for name in weights)


def test_what_is_saved_is_the_average(coi_data, tmp_path):
    options = {**CONTRAST, "max_steps": 4, "base_learning_rate": 1e-2, "validate_every": 4}
    weights = {}
    for average in (0.0, 0.99):
        run(coi_data, tmp_path / str(average), **options, average=average)
        path = tmp_path / str(average) / "last" / "model.safetensors"
        weights[average] = load_file(path)["site_pooling.projection.weight"]
    assert not torch.equal(weights[0.0], weights[0.99])
    assert torch.equal(
        weights[0.99],
        load_file(tmp_path / "0.99" / "best" / "model.safetensors")[
            "site_pooling.projection.weight"
        ],
    )


def test_a_run_with_everything_goes_on_exactly_where_it_stopped(coi_data, tmp_path, monkeypatch):
    options = {**BOTH, **MORE, "max_steps": 5, "checkpoint_every": 1, "validate_every": 5}
    run(coi_data, tmp_path / "whole", **options)
    step, made = Contrasting.step, []

    def step_until_killed(self, batches):
        made.append(1)
        if len(made) == 4:
            raise KeyboardInterrupt
        return step(self, batches)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Contrasting, "step", step_until_killed)
        run(coi_data, tmp_path / "run", **options)
    run(coi_data, tmp_path / "run", **options)
    one, two = (load_file(tmp_path / n / "last" / "model.safetensors") for n in ("whole", "run"))
    assert all(torch.equal(two[name], weight) for name, weight in one.items())


def test_without_labels_the_pooling_is_left_alone(coi_data, tmp_path):
    run(coi_data, tmp_path / "run", **MASKED, max_steps=8)
    weights = load_file(tmp_path / "run" / "last" / "model.safetensors")
    projection = weights["barcodemae.site_pooling.projection.weight"]
    torch.testing.assert_close(projection @ projection.T, torch.eye(24), atol=1e-5, rtol=0)
    # Zero is the mean of what the trained encoder makes of the barcodes, not of what it began with.
    model = BarcodeMAEModel.from_pretrained(tmp_path / "run" / "last")
    laid = LaidBarcodes(read_barcodes(coi_data, ids="keep"), coi_grid(), 3)
    states, known = states_of(model, laid.codes[laid.fits])
    sites = model.site_pooling.site(states) - model.site_pooling.centre
    assert sites[known].mean(dim=0).abs().max() < 0.02 * sites[known].std()


def test_contrast_goes_on_from_a_masked_model(coi_data, tmp_path):
    run(coi_data, tmp_path / "masked", **MASKED, max_steps=2)
    first = {**CONTRAST, "model": str(tmp_path / "masked" / "last"), "base_learning_rate": 1e-9}
    first["model_overrides"] = ""
    run(coi_data, tmp_path / "contrast", **first, max_steps=1)
    before, after = (
        load_file(tmp_path / name / "last" / "model.safetensors") for name in ("masked", "contrast")
    )
    for name, weight in after.items():
        torch.testing.assert_close(weight, before[f"barcodemae.{name}"], atol=1e-6, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [{**BOTH, **MORE}, CONTRAST, MASKED],
    ids=["both, all options", "contrast", "masked"],
)
def test_a_killed_run_ends_with_the_same_weights(coi_data, tmp_path, arguments):
    whole, output_dir = tmp_path / "whole", tmp_path / "run"
    train(coi_data, whole, **arguments)
    process = start(coi_data, output_dir, **arguments)
    wait_for(process, (output_dir / "checkpoints" / "step-10").exists)
    kill(process)
    assert not (output_dir / "last").exists()
    train(coi_data, output_dir, **arguments)
    resumed = load_file(output_dir / "last" / "model.safetensors")
    for key, weight in load_file(whole / "last" / "model.safetensors").items():
        assert torch.equal(resumed[key], weight), key


@pytest.mark.slow
def test_two_processes_contrast_as_one_that_accumulates(coi_data, tmp_path):
    options = {**BOTH, **MORE, "batch_size": 16, "max_steps": 6}
    train(coi_data, tmp_path / "one", **options, gradient_accumulation_steps=2)
    train(coi_data, tmp_path / "two", **options, processes=2)
    one, two = (
        load_file(tmp_path / name / "last" / "model.safetensors") for name in ("one", "two")
    )
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, atol=1e-4, rtol=1e-3, msg=name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"masked_weight": 0.0}, "8 labelled barcodes in a batch.*exactly 16"),
        ({"label_taxa": 5}, "20 labelled barcodes in a batch.*at most 16"),
        ({"label_taxa": 3, "gradient_accumulation_steps": 2}, "multiple of 2"),
        ({"label_rank": "family"}, "0 taxa have two or more labelled"),
        ({"label_barcodes": 1}, "label_barcodes 1: contrast needs 2 or more"),
        ({"label_rank": "", "masked_weight": 0.0}, "nothing to learn"),
        ({"grid": "no.safetensors"}, "--grid: .*no.safetensors"),
        ({"temperature": 0.0}, "temperature 0.0: must be positive"),
        ({"window_between": [300]}, "two numbers of nucleotides"),
        ({"drop": 1.0}, r"drop 1.0: must be in \[0, 1\)"),
        ({"average": 1.0}, r"average 1.0: must be in \[0, 1\)"),
        ({"proxy_ranks": ["genus"]}, "proxy_ranks .*RANK=WEIGHT"),
        ({"relatives_share": 0.5}, "no barcode of the data has a family"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(coi_data, tmp_path, changes, message):
    files = {"train_data": [str(coi_data)], "output_dir": str(tmp_path / "run")}
    arguments = PretrainArguments(**{**files, **OPTIONS, **BOTH, **changes})
    with pytest.raises(BarcodeMAEError, match=message):
        arguments.check()
        run_of(arguments)


def test_records_longer_than_a_barcode_are_laid_whole(coi_data, tmp_path):
    data = tmp_path / "long.csv"
    lines = coi_data.read_text().splitlines(keepends=True)
    id, barcode, rest = lines[1].split(",", 2)
    data.write_text("".join([lines[0], f"{id},{noise(700) + barcode},{rest}", *lines[2:]]))
    files = {"train_data": [str(data)], "output_dir": str(tmp_path / "run")}
    laid = run_of(PretrainArguments(**{**files, **OPTIONS, **CONTRAST})).laid
    expected = LaidBarcodes(read_barcodes([str(coi_data)]), coi_grid(), 3)
    assert (laid.codes == expected.codes).all(axis=1).sum() == 200  # foreign letters may go on
    assert (laid.codes[0] == expected.codes[0]).mean() > 0.98


def test_the_papers_models_keep_their_run(coi_data, tmp_path):
    files = {"train_data": [str(coi_data)], "output_dir": str(tmp_path / "run")}
    plain = {**files, **OPTIONS}
    assert type(run_of(PretrainArguments(**plain))) is Pretraining
    with_labels = {**plain, "label_rank": "genus", "label_taxa": 2, "label_barcodes": 2}
    assert type(run_of(PretrainArguments(**with_labels))) is Contrasting
    for unread in ({"average": 0.99}, {"proxy_ranks": ["family=1"]}, {"start": "discriminants"}):
        with pytest.raises(BarcodeMAEError, match=f"--{next(iter(unread))} is for models that"):
            run_of(PretrainArguments(**plain, **unread))
    with pytest.raises(BarcodeMAEError, match="--grid is for models that pool by site"):
        run_of(PretrainArguments(**plain, grid="grid.safetensors"))


def test_where_no_species_can_be_held_out_the_last_model_is_the_best(coi_data, tmp_path, capsys):
    table = pd.read_csv(coi_data)
    table[table["species"].str.endswith("0", na=False)].to_csv(tmp_path / "one.csv")
    run(tmp_path / "one.csv", tmp_path / "run", **CONTRAST, max_steps=3, validate_every=1)
    assert "best/ is that of the last step" in capsys.readouterr().out
    best, last = (
        load_file(tmp_path / "run" / name / "model.safetensors") for name in ("best", "last")
    )
    assert all(torch.equal(best[name], last[name]) for name in last)


def test_fine_tuning_by_contrast_begins_with_any_checkpoint(
    coi_data, tmp_path, monkeypatch, capsys
):
    torch.manual_seed(0)
    fields = yaml.safe_load(TINY)
    for name in ("pooling", "site_size", "embedding_size"):
        del fields[name]
    config = BarcodeMAEConfig(**fields)
    BarcodeMAEForMaskedLM(config).save_pretrained(tmp_path / "paper")
    config_file = Path(__file__).parents[3] / "train" / "configs" / "finetune-contrastive.yaml"
    words = ["--config", config_file, "--model", tmp_path / "paper", "--train_data", coi_data]
    words += ["--output_dir", tmp_path / "run", "--batch_size", 8, "--label_taxa", 4]
    words += ["--label_barcodes", 2, "--max_steps", 3, "--validation_share", 0.1, "--cpu", True]
    monkeypatch.setattr(sys, "argv", ["train.finetune", *map(str, words)])
    finetune.main()
    assert "train.finetune: done" in capsys.readouterr().out
    tuned = AutoModel.from_pretrained(tmp_path / "run" / "last")
    assert tuned.config.pooling == "mean" and type(tuned).__name__ == "BarcodeMAEModel"
    assert not (tmp_path / "run" / "last" / "grid.safetensors").exists()


@pytest.mark.parametrize(
    ("words", "objective"),
    [
        ([], ""),
        (["--objective", "contrastive"], "contrastive"),
        (["--objective=lineage"], "lineage"),
    ],
)
def test_the_objective_is_known_before_its_arguments(words, objective, tmp_path):
    assert named_argument("objective", ["--other", "1", *words]) == objective
    (tmp_path / "a.yaml").write_text("objective: contrastive\n")
    expected = objective or "contrastive"
    assert named_argument("objective", ["--config", str(tmp_path / "a.yaml"), *words]) == expected


def test_a_start_by_discriminants_knows_genera_before_it_learns(coi_data, tmp_path):
    # A short grid, whose scatter is soon solved.
    Grid(coi_grid().profile[:, 200:299]).save(tmp_path / "grid.safetensors")
    overrides = TINY.replace("site_size: 6", "site_size: 12").replace("219", "33")
    options = {**CONTRAST, "max_steps": 1, "base_learning_rate": 1e-9, "window_share": 0.0}
    options |= {"grid": str(tmp_path / "grid.safetensors"), "model_overrides": overrides}
    found = {}
    for kind in ("random", "discriminants"):
        lines = run(coi_data, tmp_path / kind, **options, start=kind)
        found[kind] = lines[0]["validation_genus_accuracy"]
    assert found["discriminants"] >= max(found["random"], 0.9)
    with pytest.raises(BarcodeMAEError, match="set site_size to 12, not 6"):
        six = {**options, "model_overrides": overrides.replace("site_size: 12", "site_size: 6")}
        run(coi_data, tmp_path / "six", **six, start="discriminants")
    with pytest.raises(BarcodeMAEError, match="needs labels"):
        run(coi_data, tmp_path / "none", **MASKED, start="discriminants")


def test_a_run_that_runs_away_stops_and_says_so(coi_data, tmp_path):
    with pytest.raises(BarcodeMAEError, match=r"step \d+: .* is (nan|inf).*lower"):
        run(coi_data, tmp_path / "run", **CONTRAST, base_learning_rate=1e30)
    assert not (tmp_path / "run" / "last").exists()
