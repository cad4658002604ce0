import gzip

import numpy as np
import pytest

from barcodemae.errors import BarcodeMAEError
from train.enbed.genomes import Genome, WindowDraws, Windows, permuted

_LETTERS = np.frombuffer(b"ACGTN", dtype=np.uint8)


def text(codes):
    return _LETTERS[codes].tobytes().decode()


@pytest.fixture
def genome(tmp_path):
    rng = np.random.default_rng(0)
    first, second, third = (text(rng.integers(0, 4, n)) for n in (1000, 700, 90))
    lines = [first[i : i + 60] for i in range(0, 1000, 60)]
    with gzip.open(tmp_path / "a.fa.gz", "wt") as file:
        file.write(">one words\n" + "\n".join(lines) + "\n" + "N" * 300 + "\n" + second.lower())
        file.write("\n>two\n" + third + "\n")
    return Genome([tmp_path / "a.fa.gz"], tmp_path / "cache"), (first, second, third)


def test_runs_of_n_are_left_out_and_records_stay_apart(genome):
    found, expected = genome
    stretches = [text(found.codes[start:end]) for start, end in found.stretches]
    assert stretches == list(expected)


def test_windows_lie_side_by_side_and_shift_within_their_stretch(genome):
    found, (first, second, _) = genome
    windows = Windows(found, 300)
    assert len(windows) == 3 + 2
    assert "".join(text(windows.codes(i, 0)) for i in range(3)) == first[:900]
    assert text(windows.codes(2, 50)) == first[650:950]
    assert text(windows.codes(4, 250)) == second[400:700]


def test_an_epoch_has_every_window_once_and_both_strands(genome):
    found, (first, second, _) = genome
    draws = WindowDraws(Windows(found, 100), range(17), seed=3)
    turn = str.maketrans("ACGT", "TGCA")
    strands = []
    for epoch in range(4):
        places = []
        for draw in range(17 * epoch, 17 * (epoch + 1)):
            number, codes = draws[draw]
            assert number == draw
            window = text(codes)
            back = window.translate(turn)[::-1]
            strands.append(window in first or window in second)
            assert strands[-1] or back in first or back in second
            places.append(window if strands[-1] else back)
        assert len(set(places)) == 17
    assert 0.2 < np.mean(strands) < 0.8
    np.testing.assert_array_equal(draws[5][1], draws[5][1])


@pytest.mark.parametrize("count", [1, 2, 3, 17, 1000])
def test_a_permutation_has_every_place_once(count):
    first = [permuted(place, count, 1, 0) for place in range(count)]
    assert sorted(first) == list(range(count))
    if count > 10:
        assert first != sorted(first)
        assert first != [permuted(place, count, 1, 1) for place in range(count)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("ACGT\n", "is not FASTA"),
        (">protein\nMEEPQSDPSVE\n", "record protein: 'E' is no nucleotide"),
        (">a\nACGT\n", "no stretch of 64 known nucleotides"),
    ],
)
def test_what_is_no_genome_is_named(content, said, tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(content)
    with pytest.raises(BarcodeMAEError, match=said):
        Windows(Genome([path], tmp_path / "cache"), 64)
    with pytest.raises(BarcodeMAEError, match="no such file"):
        Genome([tmp_path / "absent.fa"], tmp_path / "cache")
