"""Like barcodes: what they find probable, and errors near the ends that the profile lets pass."""

import numpy as np
import pytest

from barcodemae.checking.checker import check, on_grid
from barcodemae.checking.ends import with_ends
from barcodemae.checking.groups import coi_groups
from barcodemae.checking.profile import consensus
from barcodemae.checking.repair import repair
from grid_barcodemae import nucleotide_codes


@pytest.fixture(scope="module")
def typical() -> str:
    """What the group of the profile's commonest nucleotides expects at each place."""
    codes = consensus().argmax(axis=1)[None].astype(np.uint8)
    expected, _ = coi_groups().expected(codes)
    return "".join("ACGT"[code] for code in expected[0].argmax(axis=1))


def codes_of(barcode: str) -> np.ndarray:
    return nucleotide_codes([barcode])[:, : len(barcode)]


def test_probabilities_sum_to_one_and_forget_unknown_letters(typical):
    codes = codes_of(typical)
    expected, acids = coi_groups().expected(codes)
    np.testing.assert_allclose(np.exp(expected).sum(axis=2), 1, atol=0.1)
    np.testing.assert_allclose(np.exp(acids).sum(axis=2), 1, atol=0.1)
    codes[0, 300:303] = 4
    surprise = coi_groups().surprise(codes)
    assert not surprise[0, 300:303].any()
    assert (surprise[0, 4:290] > 0).all()


def test_a_misread_nucleotide_surprises_where_it_is(typical):
    for at in (101, 302, 500):  # second of their codons
        codes = codes_of(typical)
        before = coi_groups().surprise(codes)[0, at]
        codes[0, at] = 3 - codes[0, at]  # a transversion
        surprise = coi_groups().surprise(codes)[0]
        assert surprise[at] > 100 * before and abs(int(surprise.argmax()) - at) <= 2


def test_rows_on_the_grid_hold_what_was_aligned(typical):
    (item,) = check([typical[50:600]])
    row = on_grid([item])[0]
    assert (row[60:590] == codes_of(typical)[0, 60:590]).all() and (row[:50] == 4).all()


@pytest.mark.parametrize("turn", [False, True], ids=["forward", "reversed"])
@pytest.mark.parametrize(
    ("at", "kind"), [(7, "insertion"), (650, "insertion"), (7, "deletion"), (650, "deletion")]
)
def test_a_break_near_an_end_fits_like_barcodes_better_when_shifted(at, kind, turn, typical):
    if kind == "insertion":
        letter = "ACGT"[("ACGT".index(typical[at]) + 2) % 4]
        broken = typical[:at] + letter + typical[at:]
    else:
        broken = typical[:at] + typical[at + 1 :]
    if turn:
        broken = broken.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    (item,) = check([broken])
    expected, _ = coi_groups().expected(on_grid([item]))
    (found,) = with_ends(item.codes, item.alignment, expected[0], least=8.0)
    assert found.kind == kind and found.length == 1 and 0.5 < found.probability <= 1
    assert abs(found.at - at) <= 4 and abs(found.column - at) <= 4
    # Less than the shipped threshold asks for: a few nucleotides at an end may be a ragged one.
    assert coi_groups().least_shift > 8


def test_whole_and_short_barcodes_have_no_break_at_their_ends(typical):
    for item in check([typical, typical[40:], typical[:600], typical[100:500]]):
        assert item.verdict == "clean" and repair(item).edits == []


def test_a_nucleotide_that_no_like_barcode_has_is_suspected(typical):
    verdicts = set()
    for at in range(201, 240, 3):
        for letter in set("ACGT") - {typical[at]}:
            (item,) = check([typical[:at] + letter + typical[at + 1 :]])
            verdicts.add(item.verdict)
            for problem in item.problems:
                if problem.kind == "substitution suspected":
                    assert problem.at == at and problem.said_by == "like barcodes"
            assert repair(item).edits == []
    assert "substitution suspected" in verdicts
