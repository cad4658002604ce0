import pandas as pd
import pytest

from experiments.manifest import MANIFEST, read_manifest
from experiments.pretraining_pays import label_table, table_of


def test_some_barcodes_keep_their_labels_and_all_stay():
    splits = ["pretrain"] * 300 + ["train"] * 100 + ["val"] * 10
    ranks = ["phylum", "class", "order", "family", "genus", "species", "dna_bin"]
    table = pd.DataFrame({"split": splits, **dict.fromkeys(ranks, "x"), "nucleotides": "ACGT"})
    for labels, kept in (("all", 400), ("reference", 100), ("10", 40)):
        found = label_table(table, labels)
        assert len(found) == 400  # and nothing of what is judged
        assert found["genus"].notna().sum() == pytest.approx(kept, abs=15 if kept == 40 else 0)
        assert (found[ranks].notna().sum(axis=1).isin([0, len(ranks)])).all()
    assert label_table(table, "10").equals(label_table(table, "10"))


def test_the_runs_see_as_many_barcodes_and_come_in_order():
    runs = read_manifest(MANIFEST.with_name("manifest-pretraining.yaml"))
    assert [run.name for run in runs[:3]] == ["untrained", "contrast", "masked"]
    compared = [run for run in runs if run.name in ("contrast", "masked", "both", "paper")]
    assert len({(run.arguments["max_steps"], run.arguments["batch_size"]) for run in compared}) == 1
    assert {run.seed for run in runs if run.name == "masked"} == {0, 1, 2}


def test_the_table_shows_the_mean_and_the_range_over_seeds():
    scores = {"over_genera": 50.0, "species": 98.0, "genus_window": 40.0}
    records = [
        {
            "name": "both",
            "seed": seed,
            "labels": "all",
            "genus": genus,
            "barcodes_seen": 100,
            **scores,
        }
        for seed, genus in enumerate((70.0, 72.0))
    ]
    row = list(table_of(records))[-1]
    assert row.startswith("| both | all | 100 | 2 | 71.0 (70.0 to 72.0) | 50.0 (50.0 to 50.0)")
