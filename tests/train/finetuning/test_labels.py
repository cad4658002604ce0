import logging

import numpy as np
import pandas as pd
import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.lineages import IGNORED, UNPLACED
from train.finetuning.finetune_arguments import FinetuneArguments
from train.finetuning.labels import grow_lineages, label, read_splits, tell_imbalance

ROWS = [  # genus, species, split
    *[("Apis", "Apis mellifera", "train")] * 12,
    ("Apis", "Apis cerana", "train"),
    ("Apis", None, "train"),
    *[("Vespa", "Vespa crabro", "train")] * 2,
    (None, None, "train"),
    ("Apis", "Apis mellifera", "val"),
    ("Apis", "Apis dorsata", "val"),
    ("Bombus", "Bombus terrestris", "val"),
]


def table(rows=ROWS):
    return pd.DataFrame(
        [
            (f"ACGT{'A' * place}", genus, species, split)
            for place, (genus, species, split) in enumerate(rows)
        ],
        columns=["nucleotides", "genus", "species", "split"],
    )


def arguments(**changes):
    given = FinetuneArguments(
        **{
            "train_data": ["x"],
            "output_dir": "out",
            "from_scratch": True,
            "ranks": ["genus", "species"],
            **changes,
        }
    )
    given.check()
    return given


def of_split(split, rows=ROWS):
    barcodes = table(rows)
    return barcodes[barcodes["split"] == split]


def test_labels_follow_the_lineage_and_partly_labelled_barcodes_stay():
    lineages = grow_lineages(of_split("train"), arguments())
    assert lineages.names["species"] == ["Apis cerana", "Apis mellifera", "Vespa crabro"]
    training = label(of_split("train"), lineages, "train")
    assert len(training) == 16  # the one without any label is left out
    assert training.labels[13].tolist() == [0, IGNORED]
    assert training.labels[14].tolist() == [1, 2]


def test_what_is_left_out_is_said(caplog):
    caplog.set_level(logging.INFO)
    lineages = grow_lineages(of_split("train"), arguments())
    training = label(of_split("train"), lineages, "train")
    assert "2 of 17 barcodes of train have no label at the rank species" in caplog.text
    validation = label(of_split("val"), lineages, "val")
    assert validation.labels.tolist() == [[0, 1], [0, IGNORED]]
    assert "2 of 3 barcodes of val belong to 2 taxa of the rank species" in caplog.text
    assert "(Apis dorsata, Bombus terrestris)" in caplog.text
    found = tell_imbalance(training, lineages, balanced=False)
    assert found["with_one_barcode"] == 1 and found["most"] == 12
    assert "1 of 3 taxa have one training barcode (Apis cerana)" in caplog.text
    assert "from 1 to 12 training barcodes" in caplog.text
    caplog.clear()
    tell_imbalance(training, lineages, balanced=True)
    assert "--balanced_sampling" not in caplog.text


def test_small_classes_can_be_left_out():
    lineages = grow_lineages(of_split("train"), arguments(min_per_class=2))
    assert lineages.names["species"] == ["Apis mellifera", "Vespa crabro"]
    with pytest.raises(BarcodeMAEError, match="1 taxa of the rank species have 12 or more"):
        grow_lineages(of_split("train"), arguments(min_per_class=12))


def test_ambiguous_and_missing_parents(caplog):
    rows = [("A", "x", "train"), ("A", "x", "train"), ("B", "x", "train"), (None, "y", "train")]
    lineages = grow_lineages(of_split("train", rows), arguments())
    assert lineages.names["genus"] == ["A", UNPLACED]
    assert "1 taxa of the rank species stand under several of the rank genus (x)" in caplog.text
    assert label(of_split("train", rows), lineages, "train").labels[2].tolist() == [0, 0]


def test_no_label_at_a_rank_and_no_known_taxon():
    rows = [("A", None, "train"), ("B", None, "train")]
    with pytest.raises(BarcodeMAEError, match="no barcode of the split 'train' has a label at"):
        grow_lineages(of_split("train", rows), arguments())
    lineages = grow_lineages(of_split("train"), arguments())
    with pytest.raises(BarcodeMAEError, match="no barcode of the split 'val' has a taxon that"):
        label(of_split("val", [("Z", "z", "val")]), lineages, "val")


def test_splits_are_read_or_held_out(tmp_path):
    path = tmp_path / "barcodes.csv"
    records = table()
    records.loc[0, "nucleotides"] += "C" * 900
    records.to_csv(path, index=False)
    splits = read_splits(arguments(train_data=[str(path)]))
    assert splits["train"]["nucleotides"].str.len().max() == 904  # the grid is to find the barcode
    assert {name: len(part) for name, part in splits.items()} == {"train": 17, "val": 3}
    with pytest.raises(BarcodeMAEError, match="of the split 'test'; present: train, val"):
        read_splits(arguments(train_data=[str(path)], test_splits=["test"]))

    table().drop(columns="split").to_csv(path, index=False)
    splits = read_splits(arguments(train_data=[str(path)], validation_share=0.2))
    held_out = splits["val"]["species"].value_counts().to_dict()
    assert held_out == {"Apis mellifera": 3, "Vespa crabro": 1}
    assert len(splits["train"]) == 16
    with pytest.raises(BarcodeMAEError, match="the data have no splits"):
        read_splits(arguments(train_data=[str(path)], test_splits=["test"]))


def test_offsets_change_with_the_epoch_and_repeat_with_the_seed():
    lineages = grow_lineages(of_split("train"), arguments())
    barcodes = label(of_split("train"), lineages, "train")
    barcodes.seed, barcodes.offset_below = 3, 6

    def offsets():
        return [barcodes[row]["offset"] for row in range(len(barcodes))]

    first = offsets()
    assert set(first) <= set(range(6)) and len(set(first)) > 2
    barcodes.set_epoch(1)
    assert offsets() != first
    barcodes.set_epoch(0)
    assert offsets() == first
    barcodes.offset_below = 1
    assert set(offsets()) == {0}


def test_arguments_say_what_is_wrong():
    for changes, said in (
        ({"ranks": ["tribe"]}, "--ranks"),
        ({"from_scratch": False}, "--model is missing"),
        ({"linear_probe": "sgd"}, "needs a pretrained --model"),
        (
            {"linear_probe": "sgd", "from_scratch": False, "model": "m", "patience": 3},
            "--patience: a --linear_probe does not read it",
        ),
        ({"encoder": "thawed"}, "--encoder thawed"),
        ({"label_smoothing": 1.0}, "--label_smoothing 1.0"),
    ):
        with pytest.raises(BarcodeMAEError, match=said):
            arguments(**changes)
    assert arguments(ranks=["species", "order"]).ranks == ["order", "species"]
    assert np.isclose(arguments().base_learning_rate, 1e-4)
