"""Pictures of verdicts and of embeddings."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from typer.testing import CliRunner

from barcodemae.cli import app
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.figures import readable
from barcodemae.identification.answers import VERDICTS
from barcodemae.reports import pictures


@pytest.fixture
def verdicts():
    number = np.arange(60)
    return pd.DataFrame(
        {
            "id": [f"q{n}" for n in number],
            "verdict": [VERDICTS[n % 5] for n in number],
            "order": [f"Order{n % 15}" if n % 5 < 3 else "" for n in number],
        }
    )


def run(*words):
    return CliRunner().invoke(app, ["draw", *map(str, words)], catch_exceptions=False)


def test_verdicts_are_drawn_by_order(verdicts, tmp_path):
    verdicts.to_csv(tmp_path / "v.tsv", sep="\t", index=False)
    result = run(tmp_path / "v.tsv", "-o", tmp_path / "v.svg")
    assert result.exit_code == 0 and "verdicts on 60 barcodes" in result.output
    drawn = (tmp_path / "v.svg").read_text()
    for verdict in VERDICTS:
        assert f"{verdict} (12)" in drawn
    assert "no order named" in drawn and "other orders" not in drawn


def test_a_map_has_a_mark_for_each_verdict(verdicts, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "find_spec", lambda name: None)  # t-SNE: UMAP compiles for long
    vectors = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    np.savez(tmp_path / "e.npz", ids=verdicts["id"].to_numpy(str), embeddings=vectors)
    verdicts.drop(index=3).to_csv(tmp_path / "v.csv", index=False)
    words = (tmp_path / "e.npz", "--verdicts", tmp_path / "v.csv", "-o")
    result = run(*words, tmp_path / "e.png")
    assert result.exit_code == 0 and "t-SNE of 60 embeddings" in result.output
    assert np.ptp(imread(tmp_path / "e.png")) > 0
    run(*words, tmp_path / "e.svg")
    drawn = (tmp_path / "e.svg").read_text()
    assert "no verdict (1)" in drawn and "known species (12)" in drawn


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.tsv", "id\tx\n1\t2\n", "no column order, verdict"),
        ("a.npz", "no archive", "holds no embeddings, or is damaged"),
        ("a.npz", "PK\x03\x04cut off", "damaged"),
        ("a.parquet", "no table", "damaged"),
    ],
)
def test_what_cannot_be_drawn_is_said(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(BarcodeMAEError, match=said):
        run(tmp_path / name, "-o", tmp_path / "a.png")
    with pytest.raises(BarcodeMAEError, match="pictures are"):
        run(tmp_path / name, "-o", tmp_path / "a.gif")


@pytest.mark.parametrize(
    ("ids", "vectors"),
    [("abc", np.ones((6, 4))), ("abcdef", np.ones(6)), ("abcdef", np.full((6, 4), np.nan))],
)
def test_vectors_that_fit_no_ids_or_are_not_finite_are_refused(tmp_path, ids, vectors):
    np.savez(tmp_path / "a.npz", ids=np.array(list(ids)), embeddings=vectors)
    with pytest.raises(BarcodeMAEError, match=rf"a.npz: holds {len(ids)} ids beside embeddings"):
        run(tmp_path / "a.npz", "-o", tmp_path / "a.png")


def test_a_verdict_that_identify_does_not_give_is_refused(tmp_path):
    (tmp_path / "a.tsv").write_text("id\tverdict\torder\na\tclean\tDiptera\n")
    with pytest.raises(BarcodeMAEError, match="'clean' is no verdict of"):
        run(tmp_path / "a.tsv", "-o", tmp_path / "a.png")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("kmer:6", "6-mer frequencies"),
        ("vsearch", "VSEARCH"),
        ("blast:blastn", "BLAST blastn"),
        ("runs/mine/best", "mine"),
        ("untrained:barcodemae-k6", "untrained barcodemae-k6"),
        ("you/BarcodeMAE whitened", "BarcodeMAE whitened"),
        ("best", "best"),
    ],
)
def test_models_have_names_for_a_talk(model, name):
    assert readable(model) == name
