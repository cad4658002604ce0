"""The grid: where barcodes lie, on which strand, and whether they lie anywhere at all."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

import grid_barcodemae
from barcodemae.data.grid import coi_grid, fit_grid
from coi import draw, noise, records, turned
from grid_barcodemae import Grid


def text(codes):
    return "".join("ACGTN"[code] for code in codes)


@pytest.fixture(scope="module")
def grid():
    return coi_grid()


@pytest.fixture(scope="module")
def whole():
    return draw(40)


def test_whole_barcodes_lie_at_0_as_they_are(grid, whole):
    codes, placements = grid.lay(whole)
    assert [text(row) for row in codes] == whole
    assert (placements.start == 0).all() and (placements.strand == 1).all()
    assert placements.placed.all() and (placements.overlap == 658).all()
    assert (placements.score > 0.5).all() and (placements.breaks == 0).all()


def test_cut_turned_and_lengthened_barcodes_find_their_places(grid, whole):
    rng = np.random.default_rng(1)
    for barcode in whole[:20]:
        front, size = int(rng.integers(0, 450)), int(rng.integers(130, 208))
        cut = barcode[front : front + size]
        expected = "N" * front + cut + "N" * (658 - front - size)
        primers = noise(25, front) + barcode + noise(26, size)
        long = noise(9000, front) + barcode + noise(6000, size)
        records = [cut, turned(cut), primers, turned(primers), long, turned(long)]
        codes, placements = grid.lay(records)
        assert [text(row) for row in codes] == [expected] * 2 + [barcode] * 4
        assert placements.start.tolist() == [front, front, -25, -25, -9000, -9000]
        assert placements.strand.tolist() == [1, -1] * 3


def test_whatever_is_no_nucleotide_is_unknown_and_moves_nothing(grid, whole):
    barcode = whole[0]
    odd = "".join("NRI-?é"[at % 6] if at % 29 == 0 else letter for at, letter in enumerate(barcode))
    spaced = odd[:100].lower() + "\n " + odd[100:].replace("T", "U") + "\t"
    known = "".join("N" if at % 29 == 0 else letter for at, letter in enumerate(barcode))
    codes, placements = grid.lay([spaced, "NN" + odd])
    assert [text(row) for row in codes] == [known, known]
    assert placements.start.tolist() == [0, -2]
    assert placements.overlap.tolist() == [658 - known.count("N")] * 2


def test_what_fits_nowhere_is_told_and_not_laid(grid):
    records = ["", "ACGT", "N" * 700, noise(658), noise(5000), "A" * 300, "é" * 10, " \n"]
    codes, placements = grid.lay(records)
    assert (codes == 4).all()
    assert not placements.placed.any() and not placements.overlap.any()
    assert not placements.start.any()
    assert grid.lay([])[0].shape == (0, 658)


def test_one_lost_or_inserted_nucleotide_is_mended_and_told(grid, whole):
    for at in (40, 150, 329, 500, 620):
        lost = [barcode[:at] + barcode[at + 1 :] for barcode in whole]
        gained = [barcode[:at] + "A" + barcode[at:] for barcode in whole]
        for changed in (lost, gained, list(map(turned, lost))):
            codes, placements = grid.lay(changed)
            assert (placements.start == 0).all()
            assert (placements.breaks == 1).all()
            assert (abs(placements.break_at - at) <= 15).all()
            wrong = [
                sum(a != b for a, b in zip(text(row), barcode, strict=True))
                for row, barcode in zip(codes, whole, strict=True)
            ]
            assert np.mean(wrong) < 3 and max(wrong) < 12
        assert (grid.lay(lost, mend=False)[1].breaks == 0).all()


def test_foreign_ends_are_unknown_and_no_break(grid, whole):
    ends = [noise(40, seed) for seed in range(len(whole))]
    inner = [end + barcode[150:500] + end for end, barcode in zip(ends, whole, strict=True)]
    codes, placements = grid.lay([*inner, *map(turned, inner)])
    assert (placements.breaks == 0).all() and (placements.start == 110).all()
    expected = ["N" * 150 + barcode[150:500] + "N" * 158 for barcode in whole] * 2
    found = [text(row) for row in codes]
    pairs = [list(zip(a, b, strict=True))[150:500] for a, b in zip(found, expected, strict=True)]
    assert all(a in (b, "N") for row in pairs for a, b in row)
    assert np.mean([sum(a == "N" for a, _ in row) for row in pairs]) < 3
    foreign = [sum(letter != "N" for letter in row[:150] + row[500:]) for row in found]
    assert np.mean(foreign) < 12  # of 80: at the seam some fit by chance


def test_a_place_does_not_depend_on_the_other_barcodes(grid, whole):
    records = [*whole, *map(turned, whole[:9]), whole[3][200:330], whole[5][:300] + whole[5][302:]]
    codes, placements = grid.lay(records)
    for row in (0, 39, 44, 49, 50):
        alone_codes, alone = grid.lay([records[row]])
        assert (alone_codes[0] == codes[row]).all()
        assert alone.start[0] == placements.start[row] and alone.score[0] == placements.score[row]


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(barcodes=st.lists(records(), min_size=2, max_size=6), mend=st.booleans())
def test_no_record_is_laid_otherwise_for_the_records_beside_it(grid, barcodes, mend):
    seconds = noise(36) + draw(1, 3)[0][96:146]  # most of it is in its second chunk
    together = [seconds, *barcodes, draw(1, 4)[0]]
    codes, placements = grid.lay(together, mend)
    assert placements.start[0] == 60
    for row, barcode in enumerate(together):
        alone_codes, alone = grid.lay([barcode], mend)
        assert (alone_codes[0] == codes[row]).all()
        for field in fields(alone):
            assert getattr(alone, field.name)[0] == getattr(placements, field.name)[row]


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(barcodes=st.lists(records(), min_size=1, max_size=12))
def test_the_quick_look_finds_what_the_whole_search_finds(grid, barcodes):
    codes, placements = grid.lay(barcodes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid_barcodemae, "_SURE", np.inf)  # nothing is, then
        expected_codes, expected = grid.lay(barcodes)
    assert (codes == expected_codes).all()
    for name in ("start", "strand", "score", "placed", "breaks"):
        assert (getattr(placements, name) == getattr(expected, name)).all()


def test_a_grid_is_saved_and_loaded(grid, whole, tmp_path):
    path = tmp_path / "grid.safetensors"
    grid.save(path)
    assert (Grid.load(path).profile == grid.profile).all()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="grid.safetensors is damaged"):
        Grid.load(path)
    save_file({"weight": np.zeros((4, 658))}, path)
    with pytest.raises(ValueError, match="holds no grid.*weight"):
        Grid.load(path)
    save_file({"profile": np.zeros((5, 658))}, path)
    with pytest.raises(ValueError, match=r"grid.safetensors.*\(4, length\).*\(5, 658\)"):
        Grid.load(path)
    with pytest.raises(ValueError, match="NaN"):
        Grid(np.full((4, 658), np.nan))
    with pytest.raises(FileNotFoundError):
        Grid.load(tmp_path / "none")


def test_a_grid_is_made_from_barcodes_in_several_frames():
    barcodes = draw(300, seed=3)
    records = [*barcodes[:200], *(barcode[31:] for barcode in barcodes[200:])]
    made = fit_grid(records, [("Arthropoda", "Diptera")] * 300)
    assert made.length == 658
    starts = made.place(records).start
    assert (starts[:200] == 0).all() and (starts[200:] == 31).all()
    with pytest.raises(ValueError, match="no barcode of 657"):
        fit_grid(barcodes, [("", "")] * 300, length=657)
