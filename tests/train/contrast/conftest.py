"""Barcodes of the COI region for small runs."""

import csv

import numpy as np
import pytest

from barcodemae.data.grid import coi_grid

LETTERS = np.array(list("ACGTN"))


def changed(codes, share, generator):
    """A copy of the codes with a share of them drawn anew."""
    anew = generator.random(len(codes)) < share
    return np.where(anew, generator.integers(0, 4, len(codes)), codes)


@pytest.fixture(scope="session")
def coi_data(tmp_path_factory):
    """A CSV of 200 barcodes: 10 genera of 4 species, a fifth without labels, one that is no COI."""
    generator = np.random.default_rng(0)
    root = coi_grid().profile.argmax(axis=0)
    rows = []
    for genus in range(10):
        of_genus = changed(root, 0.15, generator)
        for species in range(4):
            of_species = changed(of_genus, 0.05, generator)
            for copy in range(5):
                text = "".join(LETTERS[changed(of_species, 0.005, generator)])
                labels = [f"Genus{genus}", f"Genus{genus} species{species}"]
                rows.append([f"{genus}-{species}-{copy}", text, *(labels if copy else ("", ""))])
    rows.append(["other", "".join(generator.choice(list("ACGT"), 650)), "", ""])
    path = tmp_path_factory.mktemp("coi") / "barcodes.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["processid", "nucleotides", "genus", "species"], *rows])
    return path
