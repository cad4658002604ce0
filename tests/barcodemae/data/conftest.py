"""Fixtures for the tests of reading: small files, read through a cache of their own."""

from functools import partial

import pytest

from barcodemae.data import read_barcodes


@pytest.fixture
def read(tmp_path):
    """`read_barcodes` with a fresh cache."""
    return partial(read_barcodes, cache_dir=tmp_path / "cache", progress=False)


@pytest.fixture
def write(tmp_path):
    """Write a file of the test's folder, from text or bytes, and give its path."""

    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
