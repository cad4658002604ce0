"""A reference library of made-up taxa on the COI grid, and barcodes that it has not seen."""

import numpy as np
import pandas as pd
import pytest

from barcodemae.data.references import read_references
from barcodemae.identification import building
from barcodemae.identification.library import Library
from coi import draw, mutated

LETTERS, EPITHETS = "abcdefgh", ("unus", "duo", "tertius")


@pytest.fixture(scope="session")
def specimens() -> pd.DataFrame:
    """8 families of 2 genera of 3 species of 5 barcodes; one species a genus is held back."""
    rng, rows = np.random.default_rng(1), []
    for f, family in enumerate(draw(8, seed=5)):
        for g in range(2):
            genus = mutated(rng, family, 0.12)
            for s in range(3):
                species = mutated(rng, genus, 0.07)
                rows += [
                    {
                        "processid": f"R{f}{g}{s}{b}",
                        "phylum": "Arthropoda",
                        "class": "Insecta",
                        "order": "Diptera",
                        "family": f"Family{LETTERS[f]}",
                        "genus": f"Genus{LETTERS[f]}{LETTERS[g]}",
                        "species": f"Genus{LETTERS[f]}{LETTERS[g]} {EPITHETS[s]}",
                        "nucleotides": mutated(rng, species, 0.01),
                        "split": "query" if s == 2 or b == 4 else "train",
                    }
                    for b in range(5)
                ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def references_of(tmp_path_factory):
    """A function: table -> references, as read from a CSV file."""

    def read(table: pd.DataFrame):
        folder = tmp_path_factory.mktemp("references")
        table.to_csv(folder / "references.csv", index=False)
        return read_references(str(folder / "references.csv"), cache_dir=folder, progress=False)

    return read


@pytest.fixture(scope="session")
def library_folder(specimens, references_of, tmp_path_factory):
    folder = tmp_path_factory.mktemp("libraries") / "small"
    known = references_of(specimens[specimens.split == "train"])
    building.build(known, folder, model="kmer:4", inference="centre", progress=False)
    return folder


@pytest.fixture
def library(library_folder) -> Library:
    return Library(library_folder)
