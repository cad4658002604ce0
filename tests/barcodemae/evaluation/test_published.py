from dataclasses import asdict

import pytest

from barcodemae.evaluation import paper_tables, published
from barcodemae.evaluation.settings import Settings

PAPER = {"train": 118051, "test": 18362, "test_unseen": 3401}


def results(counts=PAPER, **settings):
    return {
        "settings": asdict(Settings(**settings)),
        "data": {"barcodes": counts},
        "models": {},
        "records": [],
    }


def test_published_figures_stand_beside_the_papers_data_alone():
    for figure in ("genus", "ami", "harmonic_mean"):
        assert published.comparable(results(), figure)
        assert not published.comparable(results({**PAPER, "test_unseen": 3400}), figure)
    assert not published.comparable(results({**PAPER, "train": 10}), "genus")
    assert not published.comparable(results(query="val_unseen"), "genus")
    assert not published.comparable(results(rank="species"), "genus")
    assert not published.comparable(results(clustering="test"), "ami")
    assert published.comparable(results({**PAPER, "train": 10}), "ami")


def test_every_row_agrees_with_its_own_harmonic_mean():
    rows = published.published()["table_1"]
    assert len(rows) == 12
    for row in rows:
        mean = 2 * row["genus"] * row["ami"] / (row["genus"] + row["ami"])
        assert row["harmonic_mean"] == pytest.approx(mean, abs=0.15), row["key"]


def test_figures_that_no_source_bears_out_are_not_shown():
    """58.7 (BLAST) and 80.65 (BarcodeMAE+) could not be found again."""
    rows = published.published()["table_1"]
    assert not {58.7, 80.65} & {row[name] for row in rows for name in ("genus", "ami")}
    assert not [row["key"] for row in rows if "blast" in row["key"] or "plus" in row["key"]]


def measured(model, metric, value, task="genus-probe", **settings):
    return {
        "model": model,
        "task": task,
        "metric": metric,
        "value": value,
        "interval": [value - 0.01, value + 0.01],
        "settings": settings,
    }


def test_main_table_shows_paper_and_measurement_side_by_side():
    run = results()
    run["models"] = {"nt": {"name": "Nucleotide Transformer v2-50m"}, "mine": {}}
    run["records"] = [measured(model, "accuracy", 0.5) for model in run["models"]]
    table = paper_tables.main_table(run)
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert rows["nt"]["genus accuracy"] == "50.0 (49.0 to 51.0)"
    assert rows["nt"]["genus accuracy, paper"] == "21.7"
    assert rows["mine"]["genus accuracy, paper"] == ""
    assert rows["BarcodeMAE (BIOSCAN-5M)"]["BIN AMI, paper"] == "80.3"
    run["data"]["barcodes"] = {"train": 5}
    assert [row[0] for row in paper_tables.main_table(run).rows] == ["nt", "mine"]


def test_depths_and_objectives_find_their_places():
    run = results()
    run["records"] = [
        measured("barcodemae-k4-enc6-dec2", "accuracy", 0.61),
        measured("barcodebert-bioscan", "accuracy", 0.58),
    ]
    depth = paper_tables.depth_table(run)
    row = dict(zip(depth.columns, depth.rows[0], strict=True))
    assert row["6-6/2-2"].startswith("61.0") and row["6-6/2-2, paper"] == "65"
    objectives = paper_tables.objective_table(run)
    assert objectives.rows[0][3].startswith("58.0") and objectives.rows[0][4] == "58.3"
    assert paper_tables.depth_table(results()) is None is paper_tables.objective_table(results())
