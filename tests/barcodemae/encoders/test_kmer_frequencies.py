from collections import Counter
from itertools import product

import numpy as np
import pytest
from scipy import sparse

from barcodemae.encoders.corruption import Corruption
from barcodemae.encoders.kmer_frequencies import KmerFrequencies
from barcodemae.errors import BarcodeMAEError


def plain_frequencies(sequence: str, k: int) -> list[float]:
    windows = [sequence[i : i + k] for i in range(len(sequence) - k + 1)]
    counts = Counter(window for window in windows if set(window) <= set("ACGT"))
    total = max(counts.total(), 1)
    return [counts["".join(kmer)] / total for kmer in product("ACGT", repeat=k)]


@pytest.mark.parametrize("k", [1, 3, 4])
def test_frequencies_are_those_of_a_plain_count(k):
    sequences = ["ACGTACGTTTGANCCGATTA", "A", "NNNNNN", "TTTT", "ACGRYACGTAC", "G" * 50]
    found = KmerFrequencies(k).embed(sequences)
    np.testing.assert_allclose(found, [plain_frequencies(s, k) for s in sequences], atol=1e-7)


def test_windows_never_span_two_barcodes():
    assert KmerFrequencies(4).embed(["AC", "GT"]).sum() == 0


def test_long_kmers_are_sparse_and_equal_in_the_end():
    sequence = "ACGTTGCAACGGT" * 4
    found = KmerFrequencies(7).embed([sequence])
    assert sparse.issparse(found) and found.shape == (1, 4**7)
    counts = Counter(sequence[i : i + 7] for i in range(len(sequence) - 6))
    assert sorted(found.data) == pytest.approx(sorted(c / 46 for c in counts.values()))


def test_dropping_leaves_the_share_that_stays():
    sequence = "".join(np.random.default_rng(0).choice(list("ACGT"), 205))
    whole = KmerFrequencies(6).embed([sequence])
    dropped = KmerFrequencies(6).embed([sequence], corruption=Corruption("drop", 0.5, 0))
    # 200 windows, nearly all different: half of the places stay, each with twice the frequency.
    assert (dropped > 0).sum() == pytest.approx((whole > 0).sum() / 2, abs=2)
    assert dropped.sum() == pytest.approx(1)


@pytest.mark.parametrize("k", [0, 13])
def test_other_k_are_refused(k):
    with pytest.raises(BarcodeMAEError, match="from 1 to 12"):
        KmerFrequencies(k)
