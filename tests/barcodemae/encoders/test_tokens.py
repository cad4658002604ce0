import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from barcodemae.data.grid import coi_grid
from barcodemae.encoders.tokens import grid_ids, kmer_ids
from coi import draw, turned
from tokenization_barcodemae import BarcodeMAETokenizer

TOKENIZERS = {k: BarcodeMAETokenizer(kmer_size=k) for k in (1, 2, 3, 4, 5, 6, 8)}
ON_GRID = {k: BarcodeMAETokenizer(kmer_size=k, grid=coi_grid()) for k in (1, 4, 6)}
COI = draw(3)
# Any text but "[" (which could spell a special token), with nucleotides made likely.
TEXT = st.one_of(
    st.text(alphabet="ACGT", max_size=60),
    st.text(alphabet="ACGTacgtuUN-RY \n\t", max_size=60),
    st.text(alphabet=st.characters(exclude_characters="[", exclude_categories=["Cs"]), max_size=20),
)


@example(sequences=["AC\x1fGT", "\x1c"], k=1, offset=0, max_length=None)
@settings(max_examples=300, deadline=None)
@given(
    sequences=st.lists(TEXT, min_size=1, max_size=5),
    k=st.sampled_from(sorted(TOKENIZERS)),
    offset=st.integers(0, 7),
    max_length=st.one_of(st.none(), st.integers(1, 8)),
)
def test_ids_equal_those_of_the_rust_tokenizer(sequences, k, offset, max_length):
    ids, lengths = kmer_ids(sequences, k, offset, max_length)
    shifted = ["".join(sequence.split())[offset:] for sequence in sequences]
    expected = TOKENIZERS[k](
        shifted, truncation=max_length is not None, max_length=max_length, add_special_tokens=False
    )["input_ids"]
    assert [row[:n].tolist() for row, n in zip(ids, lengths, strict=True)] == expected
    assert (ids[np.arange(ids.shape[1]) >= lengths[:, None]] == 4**k).all()


def test_each_barcode_has_its_own_offset():
    ids, lengths = kmer_ids(["ACGTACGTA"] * 3, 4, offset=[0, 1, 5])
    assert lengths.tolist() == [2, 2, 1]
    assert ids[0].tolist() == [27, 27]
    assert ids[1].tolist() == [0b01101100, 0b01101100]
    assert ids[2].tolist() == [0b01101100, 256]


@pytest.mark.parametrize("sequences", [[], [""], ["ACG", ""]])
def test_nothing_to_cut_gives_no_tokens(sequences):
    ids, lengths = kmer_ids(sequences, 4)
    assert ids.shape == (len(sequences), 0) and not lengths.any()


def test_unknown_ends_are_no_part_of_a_barcode():
    for end in ("N", "nnnnnnnnn", "--..--", "-N \n", "NN\u00a0"):
        ids, lengths = kmer_ids(["ACGTACGT" + end], 4)
        assert lengths.tolist() == [2] and ids[0].tolist() == [27, 27]


@st.composite
def records(pick):
    """Parts of barcodes as they are met: cut, turned, ambiguous, mended, among other DNA."""
    whole = pick(st.sampled_from(COI))
    front, end = sorted(pick(st.tuples(st.integers(0, 658), st.integers(0, 658))))
    text = whole[front:end]
    for _ in range(pick(st.integers(0, 3))):
        at = pick(st.integers(0, max(len(text) - 1, 0)))
        text = text[:at] + pick(st.sampled_from(["", "N", "acgu", "-", " ", "R"])) + text[at + 1 :]
    if pick(st.booleans()):
        text = turned(text)
    return pick(TEXT) + text + pick(TEXT)


@settings(max_examples=60, deadline=None)
@given(sequences=st.lists(records(), min_size=1, max_size=4), k=st.sampled_from(sorted(ON_GRID)))
def test_ids_on_the_grid_equal_those_of_the_tokenizer(sequences, k):
    grid = coi_grid()
    expected = ON_GRID[k](sequences)["input_ids"]
    assert grid_ids(grid.lay(sequences)[0], k).tolist() == expected
