import json

import pandas as pd
import pytest

from benchmarks import grid_accuracy
from coi import draw, noise


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("barcodes") / "barcodes.csv"
    taxa = [(f"Family{n % 10}", f"Genus{n % 10}") for n in range(60)]
    pd.DataFrame(
        {
            "processid": [f"P{n}" for n in range(60)],
            "nucleotides": draw(60),
            "phylum": "Arthropoda",
            "order": "Diptera",
            "family": [family for family, _ in taxa],
            "genus": [genus for _, genus in taxa],
        }
    ).to_csv(path, index=False)
    return path


def test_every_change_is_measured_by_phylum_and_order(table, tmp_path, monkeypatch):
    # Barcodes drawn place by place have stop codons.
    monkeypatch.setattr(grid_accuracy, "in_frame", lambda codes: True)
    monkeypatch.setattr(grid_accuracy, "_ENOUGH", 2)
    (tmp_path / "dna.fasta").write_text("".join(f">{n}\n{noise(500, n)}\n" for n in range(5)))
    output = tmp_path / "grid.json"
    others = ["--elsewhere", str(tmp_path / "dna.fasta"), "--per_phylum", "12"]
    grid_accuracy.main([str(table), "-o", str(output), *others])
    found = json.loads(output.read_text())
    of = found["by_phylum"]["Arthropoda"]
    assert set(grid_accuracy.CHANGES) <= set(of)
    assert of["whole"]["right"] == of["reverse complement"]["right"] == 1
    assert of["one lost"]["break found"] > 0.8
    order = found["by_order"]["Diptera"]
    assert set(grid_accuracy.CHANGES) <= set(order) and order["130 nucleotides"] == 1
    assert found["taken_for_coi"]["other DNA"] == [0, 5]
