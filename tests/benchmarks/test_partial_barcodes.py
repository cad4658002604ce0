import json

import numpy as np
import pandas as pd
import pytest

from barcodemae.data.grid import coi_grid
from benchmarks import partial_barcodes
from coi import draw


def test_the_share_asked_is_shown():
    codes = coi_grid().lay(draw(1))[0][0]
    generator = np.random.default_rng(0)
    piece = partial_barcodes.one_piece(codes, 0.4, generator)
    whole = partial_barcodes.one_piece(codes, 1.0, generator)
    assert piece in whole and len(piece) == pytest.approx(0.4 * len(whole), abs=1)
    scattered = partial_barcodes.here_and_there(codes, 0.4, generator)
    shown = np.array([letter != "N" for letter in scattered])
    assert shown.mean() == pytest.approx(0.4, abs=0.03)
    assert all(a == b for a, b in zip(scattered, whole, strict=False) if a != "N")
    assert len(set(shown[:654].reshape(-1, 6).sum(axis=1).tolist()) - {0, 6}) <= 1  # whole k-mers


def test_every_model_is_judged_at_every_share(tmp_path):
    texts = draw(24)
    table = pd.DataFrame({"nucleotides": texts, "genus": [f"G{n}" for n in range(24)]})
    both = [table.assign(split=split) for split in ("train", "val_unseen")]
    pd.concat(both).to_parquet(tmp_path / "barcodes.parquet")
    files = [str(tmp_path / "barcodes.parquet"), "-o", str(tmp_path / "out")]
    partial_barcodes.main([*files, "--model", "sites=sites", "3-mers=kmer:3"])
    lines = (tmp_path / "out" / "partial-barcodes.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert len(records) == 2 * 2 * len(partial_barcodes.SHARES)
    whole = [each for each in records if each["share"] == 1.0 and each["model"] == "sites"]
    assert [each["genus"] for each in whole] == [100.0, 100.0]  # they are their own references
    assert (tmp_path / "out" / "partial-barcodes.png").stat().st_size > 5000
    assert "| sites | one piece |" in (tmp_path / "out" / "partial-barcodes.md").read_text()
