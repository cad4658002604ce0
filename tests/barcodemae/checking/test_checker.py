from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from barcodemae.checking.checker import check
from barcodemae.checking.repair import repair

NANOPORE = Path("../shared/enbed/ont_coi_consensus.parquet")
_TURN = str.maketrans("ACGT", "TGCA")


def turned(barcode):
    return barcode.translate(_TURN)[::-1]


def verdicts(barcodes, **options):
    return [item.verdict for item in check(barcodes, **options)]


def test_clean_barcodes_are_clean_on_either_strand(barcodes):
    assert set(verdicts(barcodes)) == {"clean"}
    assert set(verdicts([turned(barcode) for barcode in barcodes])) == {"reversed"}
    assert check([turned(barcodes[0])])[0].barcode == barcodes[0]


def test_an_extra_nucleotide_is_found_where_it_is(barcodes):
    for at, item in zip(
        range(30, 630, 30), check([b[:at] + "G" + b[at:] for at, b in where(barcodes)]), strict=True
    ):
        assert item.verdict == "insertion"
        (problem,) = (p for p in item.problems if p.kind == "insertion")
        assert abs(problem.at - at) <= 6 and abs(problem.column - at) <= 6
        assert problem.said_by == "profile" and problem.length == 1


def where(barcodes):
    return zip(range(30, 630, 30), barcodes, strict=True)


def test_a_lost_nucleotide_is_found_where_it_was(barcodes):
    for at, item in zip(
        range(30, 630, 30), check([b[:at] + b[at + 1 :] for at, b in where(barcodes)]), strict=True
    ):
        assert item.verdict == "deletion"
        (problem,) = (p for p in item.problems if p.kind == "deletion")
        assert abs(problem.at - at) <= 6 and abs(problem.column - at) <= 6


def test_a_lost_codon_is_no_error(barcodes):
    assert verdicts([barcodes[0][:301] + barcodes[0][304:]]) == ["clean"]


def test_stop_codons_follow_the_phylum(barcodes):
    def with_codon(codon):
        return barcodes[0][:301] + codon + barcodes[0][304:]

    assert verdicts([with_codon("TAA")]) == ["stop codon"]
    assert verdicts([with_codon("AGA")]) == ["clean"]
    (vertebrate,) = check([with_codon("AGA")], phyla=["Chordata"])
    assert 301 in {problem.at for problem in vertebrate.problems}
    (problem,) = check([with_codon("TAG")])[0].problems
    assert (problem.at, problem.column, problem.said_by) == (301, 301, "stop codons")


def test_stop_codons_and_shifts_together_are_a_pseudogene(barcodes):
    b = barcodes[0]
    faulty = b[:151] + "TAA" + b[154:301] + "TAG" + b[304:450] + b[451:]
    assert verdicts([faulty]) == ["NUMT suspected"]


def test_what_is_something_else_is_not_coi():
    rng = np.random.default_rng(0)
    other = "".join(rng.choice(list("ACGT"), 658))
    assert verdicts([other, "N" * 500]) == ["not COI"] * 2


@pytest.mark.parametrize("turn", [str, turned], ids=["forward", "reversed"])
def test_a_genome_is_searched_for_its_region(barcodes, turn):
    rng = np.random.default_rng(0)
    front, after = ("".join(rng.choice(list("ACGT"), 10_000)) for _ in range(2))
    (item,) = check([turn(front + barcodes[0][:300] + barcodes[0][301:] + after)])
    assert item.verdict == "deletion"
    assert abs(item.problems[0].at - 10_300) <= 6 and abs(item.problems[0].column - 300) <= 6
    assert len(repair(item).barcode) in (20_657, 20_658)


def test_repair_undoes_what_repeats_its_neighbour(barcodes):
    b = barcodes[0]
    run = b.find("TTTT", 100)
    (longer,) = check([b[:run] + "T" + b[run:]])
    mended = repair(longer)
    assert mended.barcode == b and len(mended.edits) == 1 and mended.edits[0].endswith("delT")
    (shorter,) = check([b[:run] + b[run + 1 :]])
    mended = repair(shorter)
    assert mended.barcode.upper() == b and "t" in mended.barcode
    assert repair(check([b])[0]).barcode == b


def test_real_nanopore_barcodes():
    if not NANOPORE.exists():
        pytest.skip("the real barcodes are not at hand")
    table = pd.read_parquet(NANOPORE)
    pairs = list(zip(table["sanger"], table["nucleotides"], strict=True))
    is_right = np.array([sanger in barcode for sanger, barcode in pairs])
    found = check(table["nucleotides"].tolist())
    is_flagged = np.array([item.verdict not in ("clean", "reversed") for item in found])
    assert is_flagged[~is_right].mean() > 0.85 and is_flagged[is_right].mean() <= 0.01
    mended = [repair(item).barcode.upper() for item in found]
    is_mended = np.array([sanger in b for sanger, b in zip(table["sanger"], mended, strict=True)])
    assert is_mended.mean() > 0.8 and is_mended[is_right].all()
