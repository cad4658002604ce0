import numpy as np
import pytest

from barcodemae.checking.profile import consensus


@pytest.fixture(scope="session")
def barcodes() -> list[str]:
    """20 COI barcodes: the profile's commonest nucleotides, third codon places varied."""
    rng = np.random.default_rng(0)
    common = "".join("ACGT"[code] for code in consensus().argmax(axis=1))
    transition = dict(zip("ACGT", "GTAC", strict=True))
    found = []
    for _ in range(20):
        letters = list(common)
        for place in range(3, 658, 3):
            if rng.random() < 0.3:
                letters[place] = transition[letters[place]]
        found.append("".join(letters))
    return found
