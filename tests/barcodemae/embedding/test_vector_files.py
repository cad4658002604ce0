import numpy as np
import pandas as pd
import pytest
import torch

from barcodemae import BarcodeMAEModel
from barcodemae.data import read_barcodes, simulate_barcodes
from barcodemae.data.grid import coi_grid
from barcodemae.embedding.vector_files import check_format, write_embeddings
from barcodemae.encoders.embedder import Embedder
from barcodemae.errors import BarcodeMAEError
from barcodemae.presets import preset_config
from tokenization_barcodemae import BarcodeMAETokenizer


@pytest.fixture(scope="module")
def embedder():
    torch.manual_seed(0)
    return Embedder(BarcodeMAEModel(preset_config("barcodemae-tiny")), "cpu")


@pytest.fixture(scope="module")
def barcodes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("barcodes")
    table = simulate_barcodes(1, barcodes=50, species=20, genera=20, truncated=0.5)
    table.to_csv(folder / "b.csv", index=False)
    return read_barcodes(folder / "b.csv", prepare=False, cache_dir=folder)


def read(path):
    if path.suffix == ".npz":
        content = np.load(path)
        return content["ids"].tolist(), content["embeddings"]
    if path.suffix == ".csv":
        table = pd.read_csv(
            path, index_col="id", dtype=dict.fromkeys(map("e{}".format, range(128)))
        )
        return table.index.tolist(), table.to_numpy()
    table = pd.read_parquet(path)
    return table["id"].tolist(), np.stack(table["embedding"])


@pytest.mark.parametrize("ending", ["parquet", "npz", "csv"])
def test_every_format_holds_the_same_in_the_order_of_the_input(
    embedder, barcodes, ending, tmp_path
):
    path = tmp_path / f"embeddings.{ending}"
    assert write_embeddings(path, embedder, barcodes, batch_size=8, piece=16) == 50
    ids, embeddings = read(path)
    assert ids == barcodes["processid"][:]
    np.testing.assert_allclose(embeddings, embedder.embed(barcodes["nucleotides"][:]), atol=1e-5)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def faulty(tmp_path):
    (tmp_path / "b.fasta").write_text(">good\nACGTACGTNNNN\n>short\nACG\n>other\nACGGACGG\n")
    return read_barcodes(tmp_path / "b.fasta", prepare=False, cache_dir=tmp_path)


def test_the_first_record_without_a_kmer_ends_the_work_with_nothing_written(embedder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for options, said in (
        ({}, "b.fasta: record short: no 4-mer .*--on-error skip"),
        ({"offset": 5}, "record good: .* after the 5 that --offset drops"),
    ):
        with pytest.raises(BarcodeMAEError, match=said):
            write_embeddings(
                out / "e.csv", embedder, faulty(tmp_path), piece=1, sources="b.fasta", **options
            )
        assert not list(out.iterdir())
    assert write_embeddings(
        out / "e.csv", embedder, faulty(tmp_path).select([0, 2]), sources="b.fasta"
    )


def test_only_what_is_embedded_counts(embedder, tmp_path):
    (tmp_path / "b.fasta").write_text(">late\n" + "-" * 660 + "ACGT" * 10 + "\n")
    barcodes = read_barcodes(tmp_path / "b.fasta", prepare=False, cache_dir=tmp_path)
    with pytest.raises(BarcodeMAEError, match="record late: .* in the first 660 nucleotides"):
        write_embeddings(tmp_path / "e.csv", embedder, barcodes, sources="b.fasta")


@pytest.mark.parametrize("sources", ["", "b.fasta"])
def test_each_record_is_read_once(embedder, barcodes, sources, tmp_path, monkeypatch):
    read, tokens = [], embedder.tokens
    monkeypatch.setattr(embedder, "tokens", lambda s, *a: read.extend(s) or tokens(s, *a))
    write_embeddings(tmp_path / "e.csv", embedder, barcodes, piece=16, sources=sources)
    assert read == barcodes["nucleotides"][:]


@pytest.mark.parametrize("ending", ["parquet", "npz", "csv"])
def test_records_without_a_kmer_are_left_out_and_named(embedder, tmp_path, ending, caplog):
    path = tmp_path / f"e.{ending}"
    assert write_embeddings(path, embedder, faulty(tmp_path), piece=1) == 2
    assert read(path)[0] == ["good", "other"]
    assert "left out 1 record: short: no 4-mer of A, C, G and T alone" in caplog.text


def test_a_failure_leaves_the_older_file(embedder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "e.parquet").write_text("before")
    monkeypatch.setattr(embedder, "embed", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_embeddings(out / "e.parquet", embedder, faulty(tmp_path))
    assert [file.name for file in out.iterdir()] == ["e.parquet"]
    assert (out / "e.parquet").read_text() == "before"


@pytest.mark.parametrize(
    ("name", "message"),
    [("e.txt", "written as .parquet, .npz, .csv"), ("no/e.csv", "there is no folder")],
)
def test_what_cannot_be_written_is_refused_before_the_work(name, message, tmp_path):
    with pytest.raises(BarcodeMAEError, match=message):
        check_format(tmp_path / name)


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ("barcodemae-tiny", "1 of 2 records are longer than 660 nucleotides: only the first 660"),
        ("barcodemae-coi-small", "1 of 2 records are longer than 658 nucleotides: what lies on"),
    ],
)
def test_what_is_not_embedded_of_long_records_is_said(preset, words, tmp_path, capsys):
    from barcodemae.cli.embed import embed

    BarcodeMAEModel(preset_config(preset)).save_pretrained(tmp_path / "model")
    grid = coi_grid() if preset == "barcodemae-coi-small" else None
    tokenizer = BarcodeMAETokenizer(preset_config(preset).kmer_size, grid=grid)
    tokenizer.save_pretrained(tmp_path / "model")
    whole = grid_barcode()
    (tmp_path / "b.fasta").write_text(f">whole\n{whole}\n>long\n{'ACGT' * 50}{whole}\n")
    embed([str(tmp_path / "b.fasta")], tmp_path / "e.npz", str(tmp_path / "model"), device="cpu")
    assert words in capsys.readouterr().out


def grid_barcode():
    """What is most usual at each place of the grid."""
    return "".join("ACGT"[code] for code in coi_grid().profile.argmax(axis=0))
