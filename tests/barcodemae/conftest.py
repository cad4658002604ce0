"""A small table of barcodes with a taxonomy, and encoders of every family, made here."""

import numpy as np
import pandas as pd
import pytest

from barcodemae.evaluation.context import Context
from barcodemae.evaluation.settings import Settings
from barcodemae.evaluation.splits import Barcodes
from barcodemae.store import Store

NUCLEOTIDES = np.array(list("ACGT"))


def mutate(generator, letters: np.ndarray, share: float) -> np.ndarray:
    changed = letters.copy()
    places = generator.random(len(letters)) < share
    changed[places] = generator.choice(NUCLEOTIDES, places.sum())
    return changed


@pytest.fixture(scope="session")
def made_table() -> pd.DataFrame:
    """8 genera of 4 species; two species of each genus are never in `train`."""
    generator = np.random.default_rng(0)
    rows = []
    for g in range(8):
        genus = generator.choice(NUCLEOTIDES, 300)
        for s in range(4):
            species = mutate(generator, genus, 0.12)
            for b in range(8):
                split = "test_unseen" if s >= 2 else ("train" if b < 5 else "test")
                rows.append(
                    {
                        "processid": f"P{g}-{s}-{b}",
                        "nucleotides": "".join(mutate(generator, species, 0.01)),
                        "phylum": "Arthropoda",
                        "class": "Insecta",
                        "order": "Diptera",
                        "family": f"Family{g // 2}",
                        "subfamily": None,
                        "genus": f"Genus{g}",
                        "species": f"Genus{g} species{s}",
                        "dna_bin": f"BOLD:{g}{s}",
                        "split": split,
                    }
                )
    return pd.DataFrame(rows)


@pytest.fixture
def table(made_table) -> pd.DataFrame:
    return made_table.copy()


@pytest.fixture
def make_context(tmp_path):
    def make(table: pd.DataFrame, **settings) -> Context:
        settings = Settings(**{"bootstrap": 50, **settings})
        return Context(Barcodes(table), settings, Store(tmp_path / "cache"), progress=False)

    return make


@pytest.fixture
def sequences(table) -> list[str]:
    return table["nucleotides"].tolist()[:12]
