import numpy as np
import pandas as pd
import pytest

from barcodemae.data import simulate_barcodes, write_simulated
from barcodemae.data.grid import coi_grid
from barcodemae.data.simulation import simulate
from barcodemae.data.simulation.evolution import AMINO_ACIDS, FRAME
from barcodemae.data.simulation.simulate import BIOSCAN_COLUMNS, Simulation
from barcodemae.errors import BarcodeMAEError
from grid_barcodemae import UNKNOWN, nucleotide_codes

SMALL = {"orders": 2, "families": 4, "genera": 12, "species": 60, "barcodes": 600}


@pytest.fixture(scope="module")
def barcodes():
    return simulate_barcodes(seed=0)


@pytest.fixture(scope="module")
def few():
    return simulate_barcodes(3, **SMALL)


def nucleotides(barcodes):
    return np.stack([np.frombuffer(b.encode(), np.uint8) for b in barcodes["dna_barcode"]])


def test_columns_and_totals(barcodes):
    size = Simulation()
    assert tuple(barcodes.columns) == BIOSCAN_COLUMNS
    assert len(barcodes) == size.barcodes and barcodes["processid"].is_unique
    for rank, total in (("order", size.orders), ("family", size.families)):
        assert barcodes[rank].nunique() == total
    assert set(barcodes["phylum"]) == {"Arthropoda"} and set(barcodes["class"]) == {"Insecta"}
    assert barcodes["dna_bin"].str.fullmatch(r"BOLD:[A-Z]{3}\d{4}").all()


def test_barcodes_are_658_nucleotides_without_a_stop_in_frame(barcodes):
    assert set(barcodes["dna_barcode"].str.len()) == {658}
    digits = np.searchsorted(np.frombuffer(b"ACGT", np.uint8), nucleotides(barcodes)[:, FRAME:])
    codons = digits.reshape(len(barcodes), 219, 3) @ [16, 4, 1]
    assert not (AMINO_ACIDS[codons] == "*").any()


def test_specimens_of_a_species_differ_by_less_than_two_percent(barcodes):
    distances = []
    for _, species in barcodes.dropna(subset=["species"]).groupby("species"):
        members = nucleotides(species)
        distances += [(members[0] != member).mean() for member in members[1:]]
    assert np.quantile(distances, 0.95) < 0.02 and np.median(distances) < 0.01
    assert 0.05 < np.mean(np.array(distances) == 0) < 0.6  # haplotypes are shared, not all


def test_splits_are_in_the_manner_of_bioscan(barcodes):
    species, genera = (barcodes.groupby("split")[rank].agg(set) for rank in ("species", "genus"))
    assert barcodes[barcodes["split"] == "pretrain"]["species"].isna().all()
    assert species["val"] | species["test"] <= species["train"]
    for split in ("key_unseen", "val_unseen", "test_unseen", "other_heldout"):
        assert not species[split] & species["train"]
    assert species["val_unseen"] | species["test_unseen"] <= species["key_unseen"]
    assert genera["key_unseen"] <= genera["train"]
    assert not genera["other_heldout"] & genera["train"]
    assert barcodes.groupby("species")["genus"].nunique().max() == 1


def test_identical_barcodes_of_a_species_stand_in_one_split(barcodes):
    assert (
        barcodes.dropna(subset=["species"])
        .groupby(["species", "dna_barcode"])["split"]
        .nunique()
        .max()
        == 1
    )


def test_the_seed_decides(few):
    pd.testing.assert_frame_equal(simulate_barcodes(3, **SMALL), few)
    other = simulate_barcodes(4, **SMALL)
    assert not set(other["dna_barcode"]) & set(few["dna_barcode"])


def test_the_written_file_is_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(simulate, "_PIECE", 100)
    path = tmp_path / "simulated.csv"
    assert write_simulated(path, 3, progress=False, **SMALL) == 600
    written = pd.read_csv(path, dtype=str, keep_default_na=False)
    expected = simulate_barcodes(3, **SMALL).fillna("")
    assert (written.to_numpy() == expected.to_numpy()).all()
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_writing_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "simulated.csv"
    path.write_text("old")
    monkeypatch.setattr(simulate, "assign_splits", None)
    with pytest.raises(TypeError):
        write_simulated(path, progress=False, **SMALL)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_the_simulation_is_read_as_bioscan(tmp_path, read, few):
    path = tmp_path / "simulated.csv"
    write_simulated(path, 3, progress=False, **SMALL)
    table, barcodes = few, read(path)
    unique = table.drop_duplicates("dna_barcode")
    assert barcodes["nucleotides"][:] == unique["dna_barcode"].tolist()
    for column in ("processid", "order", "family", "genus", "species", "dna_bin", "split"):
        assert (
            barcodes[column][:]
            == unique[column].astype(object).where(unique[column].notna(), None).tolist()
        )


def test_ambiguous_and_truncated_barcodes(few):
    plain = few["dna_barcode"]
    marred = simulate_barcodes(3, **SMALL, ambiguous=0.5, truncated=0.5)["dna_barcode"]
    unknown = marred.str.count("N")
    assert 0.4 < (unknown > 0).mean() < 0.6 and unknown.max() <= 10
    lost = 658 - marred.str.len()
    assert 0.4 < (lost > 0).mean() < 0.6 and lost.max() <= 100
    untouched = (unknown == 0) & (lost == 0)
    assert (marred[untouched] == plain[untouched]).all()
    for part, full in zip(marred[unknown == 0], plain[unknown == 0], strict=True):
        assert part in full


def test_every_read_lies_on_the_grid_where_it_comes_from(few):
    shares = {"ambiguous": 0.2, "truncated": 0.3, "primers": 0.4, "mini": 0.3, "reversed": 0.3}
    whole = few["dna_barcode"]
    reads = simulate_barcodes(3, **SMALL, **shares)["dna_barcode"]
    codes, places = coi_grid().lay(reads.tolist())
    assert places.placed.all() and not places.breaks.any()
    assert 0.2 < (places.strand < 0).mean() < 0.4
    assert 0.2 < (reads.str.len() <= 407).mean() < 0.4 and reads.str.len().max() > 700
    expected = nucleotide_codes(whole.tolist())[:, :658]
    assert ((codes == expected) | (codes == UNKNOWN)).all()
    assert len(set(places.start.tolist())) > 20


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(BarcodeMAEError, match="absent/a.csv: there is no folder"):
        write_simulated(tmp_path / "absent/a.csv", **SMALL)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"families": 3}, "families=3: give at least 5"),
        ({"orders": 0}, "orders=0: give at least 1"),
        ({"barcodes": 10}, "barcodes=10: give at least 400"),
        ({"unlabelled": 1.5}, "unlabelled=1.5: give a share"),
        ({"ambiguous": -0.1}, "ambiguous=-0.1: give a share"),
        ({"mini": 2}, "mini=2: give a share"),
    ],
)
def test_contradictions_are_refused(settings, reason):
    with pytest.raises(BarcodeMAEError, match=reason):
        simulate_barcodes(**settings)
