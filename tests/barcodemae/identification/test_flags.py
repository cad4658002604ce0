import sys

import numpy as np

from barcodemae.checking.tags import LABELS, REPLACE
from barcodemae.data.grid import coi_grid
from barcodemae.identification import bits, flags
from barcodemae.identification.search import compared
from coi import draw, turned


def _laid(barcodes):
    return coi_grid().lay(barcodes)[0]


def test_stop_codons_are_those_of_the_phylum():
    codes = np.full((1, bits.SITES), 0, dtype=np.uint8)  # AAA, lysine, everywhere
    codes[0, 1 + 3 * 10 : 4 + 3 * 10] = [0, 2, 0]  # AGA: serine in arthropods, a stop in chordates
    phyla = np.array(["Arthropoda", "Chordata"])
    assert flags.stop_codons(np.repeat(codes, 2, axis=0), phyla).tolist() == [0, 1]
    codes[0, 31:34] = [3, 0, 4]  # TAN is not known to be one
    assert flags.stop_codons(codes, phyla[:1]).tolist() == [0]
    codes[0, 31:34] = [3, 0, 0]
    assert flags.stop_codons(codes, np.array([""])).tolist() == [1]


def test_halves_of_two_families_are_suspected():
    one, two = draw(2, seed=3)
    planes = bits.pack(_laid([one, two]))
    queries = bits.pack(_laid([one[:320] + two[320:], one]))
    candidates = compared(queries, planes, np.array([[0, 1]] * 2), np.array([[0.9, 0.8]] * 2))
    families = np.array(["Aidae", "Bidae"])
    assert flags.chimeras(queries, candidates, planes, families) == ["Aidae / Bidae", ""]
    assert flags.chimeras(queries, candidates, planes, np.array(["Aidae"] * 2)) == ["", ""]


def test_unknown_sites_short_stretches_and_copies_are_told():
    barcode = draw(1, seed=4)[0]
    unknown = barcode[:100] + "N" * 60 + barcode[160:]
    barcodes = [barcode, unknown, barcode[300:450]]
    codes, placements = coi_grid().lay(barcodes)
    found = flags.describe(codes, placements, np.array(["Arthropoda"] * 3), barcodes)
    assert not any("N" in flag for flag in found[0])
    assert "many N (60)" in found[1]
    assert "short overlap (150 sites)" in found[2]
    seen = {}
    assert flags.repeats(bits.pack(codes[[0, 1, 0]]), ["a", "b", "c"], seen) == ["", "", "a"]
    assert flags.repeats(bits.pack(codes[[2, 1]]), ["d", "e"], seen) == ["", "b"]


def _without_stop() -> str:
    phylum = np.array(["Arthropoda"])
    barcodes = draw(40, seed=4)
    return next(each for each in barcodes if not flags.stop_codons(_laid([each]), phylum)[0])


def test_errors_are_those_of_the_check_and_a_lost_codon_is_none():
    barcode = _without_stop()
    barcodes = [
        barcode,
        barcode[:300] + barcode[301:],
        turned(barcode[:300] + "A" + barcode[300:]),
        barcode[:301] + barcode[304:],
        barcode[:301] + "TAA" + barcode[304:],
    ]
    codes, placements = coi_grid().lay(barcodes)
    assert placements.breaks[3]  # the grid has to mend it, but it leaves the frame as it was
    found = flags.errors(codes, placements, np.array(["Arthropoda"] * 5), barcodes)
    assert sorted(found) == [1, 2, 4]
    for row, kind in ((1, "deletion"), (2, "insertion")):
        (told,) = found[row]
        site = int(told.removeprefix(f"{kind} suspected (site ").removesuffix(")"))
        assert abs(site - 301) <= 5
    assert found[4] == ["stop codon (1)"]


def test_edit_tags_that_count_by_themselves_are_asked_about_every_barcode():
    barcode = _without_stop()
    codes, placements = coi_grid().lay([barcode])
    phyla = np.array(["Arthropoda"])
    assert not flags.errors(codes, placements, phyla, [barcode])
    (told,) = flags.errors(codes, placements, phyla, [barcode], Sure())[0]
    assert told == "substitution suspected (site 51)"


class Sure:
    """A tagger that takes every fifty-first nucleotide for another one."""

    speaks_alone, least_to_flag = True, 0.5

    def tag(self, barcodes, starts):
        tags = [np.eye(len(LABELS))[np.zeros(len(codes) + 1, int)] for codes in barcodes]
        for each in tags:
            each[50] = np.eye(len(LABELS))[REPLACE]
        return tags


def test_where_there_is_no_pyhmmer_a_doubtful_barcode_is_said_to_be_unchecked(monkeypatch):
    monkeypatch.setitem(sys.modules, "barcodemae.checking.checker", None)
    barcode = _without_stop()
    barcodes = [barcode, barcode[:300] + barcode[301:]]
    found = flags.describe(*coi_grid().lay(barcodes), np.array(["", ""]), barcodes)
    assert found == [[], ["not checked (pyhmmer is not installed)"]]
