"""What a user of a transformers outside the tested range is told."""

import importlib.util
import warnings
from pathlib import Path

import pytest
import transformers

FILE = Path(__file__).parents[2] / "configuration_barcodemae.py"


def read_anew():
    spec = importlib.util.spec_from_file_location("configuration_read_anew", FILE)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.mark.parametrize("version", ["4.44.2", "4.56.0", "3.5.1"])
def test_too_old(monkeypatch, version):
    monkeypatch.setattr(transformers, "__version__", version)
    with pytest.raises(ImportError, match=rf"this is {version}: pip install --upgrade"):
        read_anew()


@pytest.mark.parametrize("version", ["4.57.6", "5.0.0", "5.23.0", "5.24.0.dev0"])
def test_tested(monkeypatch, version):
    monkeypatch.setattr(transformers, "__version__", version)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_anew()


def test_newer_than_any_that_was_tested(monkeypatch):
    monkeypatch.setattr(transformers, "__version__", "6.0.0")
    with pytest.warns(UserWarning, match=r"this is 6.0.0. If it fails: pip install 'transf"):
        read_anew()
