import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.image import imread

from barcodemae.identification.lineages import IGNORED, Lineages
from train.finetuning.curves import learning_curves
from train.finetuning.split_reports import judge, per_class, report_split

LINEAGES = Lineages.from_columns({"genus": ["A", "A", "B"], "species": ["A x", "A y", "B z"]})


def test_metrics_by_hand():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.5, 0.1, 0.4]])
    found = judge(probabilities, truth=np.array([0, 0, 1, 1]), threshold=0.6)
    assert found["barcodes"] == 4 and found["taxa"] == 2
    assert found["accuracy"] == 0.75
    assert found["balanced_accuracy"] == 0.75  # 2 of 2, 1 of 2
    assert found["f1_macro"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert found["top_5"] == 1
    assert found["confident_share"] == 0.75 and found["confident_accuracy"] == 1
    assert judge(probabilities, np.array([0, 0, 1, 1]), np.inf)["confident_accuracy"] is None


def test_top_five_of_many_taxa():
    probabilities = np.linspace(0.2, 0.1, 8)[None].repeat(8, axis=0)
    assert judge(probabilities, np.arange(8), 0.5)["top_5"] == 5 / 8


def test_table_names_what_a_taxon_is_taken_for():
    names = np.array(["A", "B", "C"], dtype=object)
    table = per_class(np.array([0, 0, 0, 1]), np.array([0, 2, 2, 1]), names, np.array([9, 5, 1]))
    table = table.set_index("taxon")
    assert list(table.index) == ["A", "B", "C"]
    assert table.loc["A", "confused_with"] == "C" and pd.isna(table.loc["B", "confused_with"])
    assert table.loc["A", "recall"] == pytest.approx(1 / 3) and table.loc["C", "precision"] == 0
    assert table["training_barcodes"].tolist() == [9, 5, 1]
    perfect = per_class(np.array([0, 1]), np.array([0, 1]), names, np.array([9, 5, 1]))
    assert perfect["f1"].tolist() == [1, 1] and perfect["confused_with"].isna().all()


def test_report_of_a_split(tmp_path):
    logits = torch.tensor([[4.0, 0, 0], [0, 4, 0], [0, 0, 4], [2, 2.1, 0]])
    labels = np.array([[0, 0], [0, 1], [1, IGNORED], [0, 0]])
    found = report_split(tmp_path, logits, labels, LINEAGES, {"genus": 0.9}, labels)
    assert found["genus"]["accuracy"] == 1 and found["genus"]["barcodes"] == 4
    assert found["species"]["accuracy"] == pytest.approx(2 / 3)
    for rank in ("genus", "species"):
        for plot in ("reliability.png", "confusion.png"):
            assert np.ptp(imread(tmp_path / rank / plot)) > 0
    table = pd.read_csv(tmp_path / "species" / "per_class.csv")
    assert table["barcodes"].sum() == 3

    unlabelled = labels.copy()
    unlabelled[:, 1] = IGNORED
    assert list(report_split(tmp_path, logits, unlabelled, LINEAGES, {}, labels)) == ["genus"]


def test_learning_curves(tmp_path):
    history = [
        {"loss": 2.0, "epoch": 0.5},
        {"eval_loss": 1.5, "eval_accuracy_genus": 0.5, "epoch": 1.0},
        {"eval_loss": 1.0, "eval_accuracy_genus": 0.9, "epoch": 2.0},
    ]
    learning_curves(tmp_path / "curves.png", history)
    learning_curves(tmp_path / "none.png", [])
    drawn, empty = (imread(tmp_path / name) for name in ("curves.png", "none.png"))
    assert drawn.shape == empty.shape and not np.array_equal(drawn, empty)
