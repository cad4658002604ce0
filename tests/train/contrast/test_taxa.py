from types import SimpleNamespace

import datasets
import numpy as np
import pytest

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.lineages import IGNORED
from train.contrast.taxa import ContrastDraws, finer_taxa, hold_out_species
from train.loop.arguments import PretrainArguments

KINDS = [("A", f"a{i}") for i in range(4) for _ in range(6)] + [("B", "b")] * 8 + [("C", "c")]


@pytest.fixture
def barcodes():
    """Genus A has 4 species of 6 barcodes, B one of 8, C one barcode; ten have no label."""
    rows = [*KINDS, *[(None, None)] * 10]
    columns = {"genus": [g for g, _ in rows], "species": [s for _, s in rows]}
    columns |= {"dna_bin": [None] * len(rows), "nucleotides": ["ACGT"] * len(rows)}
    return datasets.Dataset.from_dict(columns)


@pytest.fixture
def laid(barcodes):
    return SimpleNamespace(codes=np.zeros((len(barcodes), 60), dtype=np.uint8))


def draws(barcodes, laid, batch_size=10, parts=1, **arguments):
    asked = {"label_rank": "genus", "label_taxa": 2, "label_barcodes": 4, "batch_size": batch_size}
    given = PretrainArguments(**{**asked, **arguments})
    return ContrastDraws(barcodes, laid, np.arange(len(barcodes)), given, batch_size // parts)


def test_a_batch_begins_with_taxa_of_several_species(barcodes, laid):
    found = draws(barcodes, laid)
    for batch in range(30):
        items = [found[batch * 10 + place] for place in range(10)]
        assert [item[3] for item in items] == [True] * 8 + [False] * 2
        by_taxon = {}
        for item in items[:8]:
            taxon, species = item[2]
            by_taxon.setdefault(taxon, []).append(species)
        # Two barcodes of each of two species, or four of the only one.
        shared = sorted(sorted(map(species.count, set(species))) for species in by_taxon.values())
        assert shared == [[2, 2], [4]]
    assert found.record == {"n_barcodes": 43, "label_rank": "genus", "n_labelled": 32, "n_taxa": 2}


def test_the_rest_of_the_batches_goes_through_all_barcodes(barcodes, laid):
    found = draws(barcodes, laid)
    places = [batch * 10 + place for batch in range(22) for place in (8, 9)][:43]
    assert sorted(map(found.row_of, places)) == list(range(43)) and found.fresh == 2


def test_each_part_of_a_batch_has_its_own_taxa(barcodes, laid):
    found = draws(barcodes, laid, batch_size=12, parts=2)
    for part in range(20):
        items = [found[part * 6 + place] for place in range(6)]
        assert len({item[2][0] for item in items[:4]}) == 1
        assert [item[3] for item in items] == [True] * 4 + [False] * 2


def test_batches_of_relatives_are_full_of_few_families():
    # Five families of twelve genera, of two barcodes each; a genus without a family beside them.
    names = [(f"F{i}", f"F{i}-{j}") for i in range(5) for j in range(12) for _ in range(2)]
    names += [(None, "lonely")] * 2
    columns = {"family": [f for f, _ in names], "genus": [g for _, g in names]}
    columns |= {name: [None] * len(names) for name in ("species", "dna_bin")}
    barcodes = datasets.Dataset.from_dict({**columns, "nucleotides": ["ACGT"] * len(names)})
    laid = SimpleNamespace(codes=np.zeros((len(names), 60), dtype=np.uint8))

    def families_of_batches(number, share):
        options = {"label_taxa": number, "label_barcodes": 2, "relatives_share": share}
        found = draws(barcodes, laid, batch_size=2 * number, masked_weight=0, **options)
        for batch in range(10):
            rows = [found.row_of(batch * 2 * number + place) for place in range(2 * number)]
            assert len({names[row][1] for row in rows}) == number
            yield len({names[row][0] for row in rows})

    assert max(families_of_batches(16, 1.0)) <= 3  # eight genera of one, eight of another
    assert min(families_of_batches(16, 0.0)) >= 4
    assert list(families_of_batches(61, 1.0)) == [6] * 10  # all there is
    with pytest.raises(BarcodeMAEError, match="no barcode of the data has a family"):
        draws(barcodes.map(lambda row: {"family": None}), laid, relatives_share=0.5)


def test_draws_follow_from_the_seed_alone(barcodes, laid):
    rows = [draws(barcodes, laid, seed=seed).row_of(3) for seed in (0, 0)]
    assert rows[0] == rows[1]
    different = {tuple(map(draws(barcodes, laid, seed=s).row_of, range(8))) for s in range(5)}
    assert len(different) > 1


def test_species_are_finer_taxa_and_bins_stand_in():
    table = {"species": ["x", None, None, "x"], "dna_bin": ["1", "1", None, None]}
    found = finer_taxa(datasets.Dataset.from_dict(table), "genus")
    assert found[0] == found[3] and found[1] != found[0] and found[2] == IGNORED
    assert (finer_taxa(datasets.Dataset.from_dict(table), "species") == IGNORED).all()


def test_whole_species_of_taxa_that_remain_are_held_out(barcodes):
    rows, held_out = hold_out_species(barcodes, np.arange(43), "genus", 0.2, seed=0)
    assert sorted([*rows, *held_out]) == list(range(43))
    species = [KINDS[row][1] for row in held_out if row < len(KINDS)]
    # One of genus A, whole: B would be lost, C is alone.
    assert len(species) == 6 + ("c" in species) and len(set(species) - {"c"}) == 1
    assert {KINDS[row] for row in rows if row < len(KINDS)} >= {("B", "b")}
