"""Fine-tuning ENBED on labelled sequences: tables, FASTA, folds, held-out rows, unfreezing."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from barcodemae import BarcodeMAEModel
from barcodemae.errors import BarcodeMAEError
from barcodemae.presets import preset_config
from enbed import (
    EnbedForConditionalGeneration,
    EnbedForSequenceClassification,
    EnbedForTokenClassification,
)
from train.enbed.elements import Classification, ElementArguments, unfreeze
from train.enbed.labelled_sequences import read_table
from train.loop.parsing import named_argument, parse_arguments

SIZES = {
    "hidden_size": 16,
    "num_layers": 2,
    "radii": [8, 8],
    "num_heads": 2,
    "dropout_rate": 0.0,
    "initializer_range": 0.2,
}


def sequences(count=60):
    """Half of the sequences hold many TATA."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        letters = "".join(rng.choice(list("ACGT"), 32))
        label = "promoter" if number % 2 else "other"
        species = "dog" if number % 3 == 0 else "chimp"
        rows.append((letters + "TATA" * 4 if number % 2 else letters + "GCGC" * 4, label, species))
    return pd.DataFrame(rows, columns=["nucleotides", "label", "species"])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "checkpoint"
    EnbedForConditionalGeneration(preset_config("enbed-tiny", **SIZES)).save_pretrained(folder)
    return folder


def run(data, output_dir, **arguments):
    given = {
        "train_data": [str(data)],
        "output_dir": str(output_dir),
        "batch_size": 10,
        "epochs": 12.0,
        "base_learning_rate": 1e-2,
        "folds": 2,
        "cpu": True,
    }
    return Classification(ElementArguments(**{**given, **arguments})).run()


def test_folds_cover_every_row_once_and_the_motif_is_learned(checkpoint, tmp_path):
    data = tmp_path / "table.csv"
    sequences().to_csv(data, index=False)
    metrics = run(data, tmp_path / "run", model=str(checkpoint))
    assert metrics["n"] == 60 and len(metrics["accuracy_by_fold"]) == 2
    assert metrics["accuracy"] > 0.9
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == metrics
    predictions = pd.read_csv(tmp_path / "run" / "predictions.tsv", sep="\t")
    assert (predictions["label"] == predictions["predicted"]).mean() == metrics["accuracy"]
    model = EnbedForSequenceClassification.from_pretrained(tmp_path / "run" / "best")
    assert model.config.id2label == {0: "other", 1: "promoter"}


def test_rows_of_another_species_are_held_out_of_training(checkpoint, tmp_path):
    data = tmp_path / "table.parquet"
    sequences().to_parquet(data)
    arguments = {"model": str(checkpoint), "held_out": "species=dog", "epochs": 1.0}
    assert run(data, tmp_path / "run", **arguments)["n"] == 20
    with pytest.raises(BarcodeMAEError, match="there are no such rows"):
        run(data, tmp_path / "run", **{**arguments, "held_out": "species=cat"})


def test_fasta_is_joined_with_a_table_of_labels(checkpoint, tmp_path):
    table = sequences(20)
    (tmp_path / "a.fasta").write_text(
        "".join(f">s{i}\n{row.nucleotides}\n" for i, row in enumerate(table.itertuples()))
    )
    labels = pd.DataFrame({"id": [f"s{i}" for i in range(20)], "label": table["label"]})
    labels.to_csv(tmp_path / "labels.tsv", sep="\t", index=False)
    given = {"model": str(checkpoint), "epochs": 1.0, "labels": str(tmp_path / "labels.tsv")}
    assert run(tmp_path / "a.fasta", tmp_path / "run", **given)["n"] == 20
    labels[1:].to_csv(tmp_path / "fewer.tsv", sep="\t", index=False)
    given["labels"] = str(tmp_path / "fewer.tsv")
    with pytest.raises(BarcodeMAEError, match="record 1 has no label"):
        run(tmp_path / "a.fasta", tmp_path / "run", **given)
    with pytest.raises(BarcodeMAEError, match="give --labels TABLE"):
        run(tmp_path / "a.fasta", tmp_path / "run", model=str(checkpoint))


def test_ids_and_labels_of_a_table_are_texts(tmp_path):
    (tmp_path / "a.fasta").write_text(">007\nACGT\n>12\nACGA\n")
    labels = tmp_path / "labels.csv"
    labels.write_text("id,gene\n12,HA\n007,NA\n007,NA\n")
    found = read_table([str(tmp_path / "a.fasta")], "gene", str(labels))
    assert found["gene"].tolist() == ["NA", "HA"]
    labels.write_text("id,gene\n12,HA\n007,NA\n007,HA\n")
    with pytest.raises(BarcodeMAEError, match="labels.csv: 007 has two genes"):
        read_table([str(tmp_path / "a.fasta")], "gene", str(labels))
    with pytest.raises(BarcodeMAEError, match="there is no column 'label'"):
        read_table([str(tmp_path / "a.fasta")], "label", str(labels))


def test_ready_made_configurations_make_a_model(tmp_path):
    sequences(10).to_parquet(tmp_path / "table.parquet")
    files = sorted((Path(__file__).parents[3] / "train" / "configs").glob("elements-*.yaml"))
    assert len(files) == 4
    for file in files:
        given = ["--config", str(file), "--train_data", str(tmp_path / "table.parquet")]
        assert named_argument("family", given) == "enbed"
        task = Classification(parse_arguments([*given, "--output_dir", "o"], ElementArguments))
        config = task.make_model().config
        assert (config.classifier_pooling == "sites") == (config.learned_positions > 0)


def test_a_barcodemae_is_refused(tmp_path):
    BarcodeMAEModel(preset_config("barcodemae-tiny")).save_pretrained(tmp_path / "model")
    sequences(20).to_parquet(tmp_path / "table.parquet")
    with pytest.raises(BarcodeMAEError, match="holds a BarcodeMAE, which this cannot work with"):
        run(tmp_path / "table.parquet", tmp_path / "run", model=str(tmp_path / "model"))


def test_a_run_that_was_stopped_goes_on_with_its_fold(checkpoint, tmp_path):
    data = tmp_path / "table.csv"
    sequences().to_csv(data, index=False)
    given = {"model": "enbed-tiny", "model_overrides": str(SIZES), "epochs": 2.0}
    given |= {"both_strands": True, "masked_share": 0.1, "average_decay": 0.9}
    whole = run(data, tmp_path / "run", **given)
    (tmp_path / "run" / "folds" / "2.json").unlink()
    again = run(data, tmp_path / "run", **given)
    assert again["accuracy_by_fold"] == whole["accuracy_by_fold"]
    with pytest.raises(BarcodeMAEError, match="epochs was 2.0 and is 3.0"):
        run(data, tmp_path / "run", **{**given, "epochs": 3.0})
    sequences()[::-1].to_csv(data, index=False)
    with pytest.raises(BarcodeMAEError, match="what train_data holds was"):
        run(data, tmp_path / "run", **given)


def test_the_average_of_the_weights_is_judged_and_letters_are_masked(tmp_path):
    sequences(40).to_parquet(tmp_path / "table.parquet")
    given = {"model": "enbed-tiny", "model_overrides": str(SIZES), "average_decay": 0.999}
    given |= {"train_data": [str(tmp_path / "table.parquet")], "output_dir": "out", "cpu": True}
    task = Classification(
        ElementArguments(
            **given, masked_share=0.5, epochs=2.0, base_learning_rate=0.1, batch_size=40
        )
    )
    rows, rng = np.arange(40), np.random.default_rng(0)
    ids, masked = task._batch(rows)["input_ids"], task._masked(rows, False, rng)["input_ids"]
    changed = masked[ids != masked]
    assert set(changed.tolist()) == {ord("N") + 3}
    assert 0.45 < len(changed) / (ids > 3).sum() < 0.55
    ends, seen = [], []
    for decay in (0.0, 0.999):
        task.arguments.average_decay = decay
        torch.manual_seed(0)
        model = task.make_model()
        model.register_forward_hook(lambda model, *_: seen.append(model.score.weight.clone()))
        task._fit(model, rows)
        ends.append(model.score.weight)
    # Two steps, at decays of (1 + n) / (10 + n).
    start, middle = seen[:2]
    assert (middle - start).abs().max() > 1e-3
    expected = 2 / 11 * (0.1 * start + 0.9 * middle) + 9 / 11 * ends[0]
    torch.testing.assert_close(ends[1], expected, atol=1e-4, rtol=1e-3)


def test_over_a_checkpoint_the_pooling_alone_may_be_given(checkpoint, tmp_path):
    sequences(20).to_parquet(tmp_path / "table.parquet")
    given = {"train_data": [str(tmp_path / "table.parquet")], "output_dir": "out", "cpu": True}
    for overrides, said in (
        ("{num_layers: 3}", "only classifier_pooling"),
        ("{classifier_pooling: sites}", "without learned_positions"),
    ):
        arguments = ElementArguments(**given, model=str(checkpoint), model_overrides=overrides)
        with pytest.raises(BarcodeMAEError, match=said):
            Classification(arguments).make_model()
    fields = {**SIZES, "learned_positions": 48}
    placed = tmp_path / "placed"
    EnbedForConditionalGeneration(preset_config("enbed-tiny", **fields)).save_pretrained(placed)
    given |= {"model": str(placed), "model_overrides": "{classifier_pooling: sites}"}
    model = Classification(ElementArguments(**given)).make_model()
    assert model.score_sites.weight.shape == (2, 48 * 16)


def test_a_head_of_other_classes_is_made_anew_and_no_other_weight(tmp_path):
    table = sequences(20)
    table["label"] = [f"class {row % 3}" for row in range(len(table))]
    table.to_parquet(tmp_path / "table.parquet")
    tokens = EnbedForTokenClassification(preset_config("enbed-tiny", **SIZES, num_labels=4))
    tokens.save_pretrained(tmp_path / "tokens")
    given = {"train_data": [str(tmp_path / "table.parquet")], "output_dir": "out", "cpu": True}
    task = Classification(ElementArguments(**given, model=str(tmp_path / "tokens")))
    model = task.make_model()
    assert model.score.weight.shape == (3, 16) and model.config.num_labels == 3
    for name, weight in tokens.model.named_parameters():
        assert torch.equal(model.model.get_parameter(name), weight)
    fields = json.loads((tmp_path / "tokens" / "config.json").read_text())
    fields["intermediate_size"] = 8
    (tmp_path / "tokens" / "config.json").write_text(json.dumps(fields))
    with pytest.raises(BarcodeMAEError, match="the weights lack"):
        task.make_model()


def test_batches_hold_sequences_of_like_lengths_each_once(checkpoint, tmp_path):
    table = sequences(40)
    table["nucleotides"] = [row * (1 + i % 4) for i, row in enumerate(table["nucleotides"])]
    table.to_parquet(tmp_path / "table.parquet")
    given = ElementArguments([str(tmp_path / "table.parquet")], "out", batch_size=10, model="x")
    task = Classification(given)
    batches = task._batches(np.arange(40), np.random.default_rng(0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(40))
    assert all(len({len(task.sequences[row]) for row in batch}) == 1 for batch in batches)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"nucleotides": "MEEPQSD"}, "table.parquet: record 3: empty, or not DNA"),
        ({"nucleotides": ""}, "record 3: empty, or not DNA"),
        ({"label": None}, "record 3 has no label"),
    ],
)
def test_faulty_records_are_named(change, said, checkpoint, tmp_path):
    table = sequences(20)
    for column, value in change.items():
        table.loc[2, column] = value
    table.to_parquet(tmp_path / "table.parquet")
    with pytest.raises(BarcodeMAEError, match=said):
        run(tmp_path / "table.parquet", tmp_path / "run", model=str(checkpoint))


def test_layers_are_freed_from_the_last_to_the_first(checkpoint):
    model = EnbedForSequenceClassification.from_pretrained(checkpoint)

    def free(layers):
        unfreeze(model, layers)
        return {name for name, p in model.named_parameters() if p.requires_grad}

    assert free(0) == {"score.weight", "score.bias"}
    last = free(1)
    assert any("layers.1." in name for name in last)
    assert not any("layers.0." in name or "embed" in name for name in last)
    assert free(2) == {name for name, _ in model.named_parameters()}
