"""The demonstration passes if its model beats 6-mers, and fails if it does not."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).parent.parent / "examples" / "demo.py"
# Among public barcodes: see docs/measurements.md.
KMERS, VSEARCH = 62.6, 71.0


@pytest.fixture
def demo():
    spec = importlib.util.spec_from_file_location("demo", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["demo"]


@pytest.mark.parametrize(("model", "kmers", "passes"), [(7, 6, True), (6, 6, False), (5, 6, False)])
def test_only_a_model_that_beats_kmers_passes(demo, model, kmers, passes):
    model, kmers = (np.arange(10) < right for right in (model, kmers))
    assert demo.beats(model, kmers) is passes


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_demonstration_runs_to_its_end(tmp_path):
    run = subprocess.run(
        [sys.executable, PATH, "--output_dir", tmp_path, "--max_steps", "20"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr[-2000:]
    rows = dict(re.findall(r"^   (\S.*?)\s{2,}([\d.]+)%\s+[\d.]+%$", run.stdout, re.MULTILINE))
    rows = {name: float(share) for name, share in rows.items()}
    assert rows["this model"] > rows["shipped model"] > rows["6-mer frequencies"]
    assert abs(rows["6-mer frequencies"] - KMERS) < 5
    if shutil.which("vsearch"):
        assert abs(rows["VSEARCH"] - VSEARCH) < 5
    assert "new species" in run.stdout and "genus not in the library" in run.stdout
    assert (tmp_path / "report.html").stat().st_size > 100_000
    # What others load: codons as tokens, with a head that names hidden ones.
    config = json.loads((tmp_path / "run/best/config.json").read_text())
    assert config["kmer_size"] == 3 and config["architectures"] == ["BarcodeMAEForMaskedLM"]
