"""Barcodes for small training runs."""

import pytest

from barcodemae.data import write_simulated


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A CSV file of 200 simulated barcodes."""
    path = tmp_path_factory.mktemp("data") / "barcodes.csv"
    write_simulated(path, 0, orders=2, families=4, genera=8, species=16, barcodes=200)
    return path
