import pickle
from types import SimpleNamespace

import datasets
import numpy as np
import pytest
import torch

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.lineages import IGNORED
from train.loop.barcodes import Draws, ShareOfDraws
from train.masked_lm.labelled import LabelledDraws, TaxonCollator, taxa_of_rows
from train.masked_lm.masking import MaskingCollator

BATCH = 12


def table(genera):
    nucleotides = [f"ACGT{row}" for row in range(len(genera))]
    return datasets.Dataset.from_dict({"nucleotides": nucleotides, "genus": genera})


def asked(**changes):
    options = {"seed": 3, "label_rank": "genus", "label_taxa": 2, "label_barcodes": 3}
    return SimpleNamespace(**options | changes)


@pytest.fixture
def barcodes():
    # 60 barcodes: five genera of 8, and every third without a label.
    return table([None if row % 3 == 0 else f"Genus{row % 5}" for row in range(60)])


@pytest.fixture
def draws(barcodes):
    return LabelledDraws(barcodes, np.arange(60), asked(), BATCH)


def rows_of(draws, batch):
    return [draws.row_of(batch * BATCH + place) for place in range(BATCH)]


def test_taxa_are_those_that_several_training_barcodes_have():
    barcodes = table(["A", None, "B", "A", "C", "C", "B", "A"])
    rows = np.array([0, 1, 2, 3, 4, 5])  # the others are held out
    assert taxa_of_rows(barcodes, rows, "genus").tolist() == [
        *(0, IGNORED, IGNORED, 0, 1, 1),
        *(IGNORED, IGNORED),
    ]


def test_a_global_batch_begins_with_the_same_number_of_barcodes_of_each_taxon(barcodes, draws):
    assert (draws.num_taxa, draws.fresh) == (5, 6)
    for batch in range(40):
        labelled = rows_of(draws, batch)[:6]
        genera = [barcodes["genus"][row] for row in labelled]
        assert len(set(genera[:3])) == len(set(genera[3:])) == 1 and genera[0] != genera[3]
        assert None not in genera and len(set(labelled)) == 6
        taxa = [draws[batch * BATCH + place][2] for place in range(6)]
        assert taxa == [draws.taxa[row] for row in labelled] and IGNORED not in taxa


def test_the_rest_of_the_batches_goes_through_all_barcodes_each_epoch(barcodes, draws):
    fresh = [row for batch in range(20) for row in rows_of(draws, batch)[6:]]
    plain = Draws(barcodes, np.arange(60), seed=3)
    assert fresh == [plain.row_of(draw) for draw in range(120)]
    assert sorted(fresh[:60]) == sorted(fresh[60:]) == list(range(60))


def test_taxa_and_barcodes_are_drawn_uniformly(draws):
    labelled = [row for batch in range(2000) for row in rows_of(draws, batch)[:6]]
    shares = np.bincount(draws.taxa[labelled]) / len(labelled)
    assert np.abs(shares - 0.2).max() < 0.02
    shares = np.bincount(labelled, minlength=60) / len(labelled)
    assert np.abs(shares[draws.taxa != IGNORED] - 1 / 40).max() < 0.01


def test_a_taxon_of_few_barcodes_repeats_them():
    draws = LabelledDraws(table(["A", "A", *"B" * 20]), np.arange(22), asked(label_barcodes=4), 9)
    for batch in range(20):
        labelled = [draws.row_of(9 * batch + place) for place in range(8)]
        assert np.bincount(draws.taxa[labelled]).tolist() == [4, 4]


def test_processes_share_global_batches_that_depend_on_seed_and_number_alone(barcodes):
    rows = np.arange(60)
    whole = LabelledDraws(barcodes, rows, asked(), BATCH)
    for processes in (1, 2, 4):
        shares = []
        for rank in range(processes):
            own = LabelledDraws(barcodes, rows, asked(), BATCH)
            sampler = ShareOfDraws(range(5, 9), BATCH // processes, rank, processes)
            shares.append([[own[draw] for draw in draws] for draws in sampler])
        for number, parts in enumerate(zip(*shares, strict=True), start=5):
            assert sum(parts, []) == [whole[number * BATCH + place] for place in range(BATCH)]
    other = LabelledDraws(barcodes, rows, asked(seed=4), BATCH)
    assert rows_of(other, 0)[:6] != rows_of(whole, 0)[:6]


def test_labelled_draws_travel_to_worker_processes(draws):
    assert pickle.loads(pickle.dumps(draws))[7] == draws[7]


def test_batches_carry_the_taxa_beside_what_was_collated(draws):
    items = [draws[draw] for draw in range(BATCH)]
    collator = MaskingCollator(2, 0.5, seed=1)
    batch = TaxonCollator(collator)(items)
    plain = collator([item[:2] for item in items])
    assert batch.keys() - plain.keys() == {"taxa"}
    assert torch.equal(batch["input_ids"], plain["input_ids"])
    assert batch["taxa"].tolist() == [item[2] for item in items]


def test_the_record_says_how_many_barcodes_have_a_label(draws):
    assert draws.record == {
        "n_barcodes": 60,
        "label_rank": "genus",
        "n_labelled": 40,
        "n_taxa": 5,
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label_taxa": 4}, "12 labelled barcodes leave no room .* global batch of 12.*batch_size"),
        ({"label_taxa": 6, "label_barcodes": 1}, "5 taxa have two or more .* --label_taxa 6"),
        ({"label_rank": "species"}, "--label_rank species: 0 taxa"),
    ],
)
def test_labels_that_do_not_fit_are_refused_with_the_remedy(barcodes, changes, said):
    barcodes = barcodes.add_column("species", [None] * 60)
    with pytest.raises(BarcodeMAEError, match=said):
        LabelledDraws(barcodes, np.arange(60), asked(**changes), BATCH)
