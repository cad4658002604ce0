import numpy as np
import pandas as pd
import pytest
import torch

from barcodemae import BarcodeMAEConfig, BarcodeMAEModel
from barcodemae.data import read_barcodes, simulate_barcodes
from barcodemae.embedding import Embedder
from barcodemae.embedding_files import check_format, write_embeddings
from barcodemae.errors import BarcodeMAEError


@pytest.fixture(scope="module")
def embedder():
    torch.manual_seed(0)
    return Embedder(BarcodeMAEModel(BarcodeMAEConfig.preset("barcodemae-tiny")), "cpu")


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


def spoilt(tmp_path):
    (tmp_path / "b.fasta").write_text(">good\nACGTACGTNNNN\n>short\nACG\n>other\nACGGACGG\n")
    return read_barcodes(tmp_path / "b.fasta", prepare=False, cache_dir=tmp_path)


def test_a_record_without_a_kmer_is_named_and_nothing_is_left_behind(embedder, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "e.parquet").write_text("before")
    with pytest.raises(BarcodeMAEError, match="record short: no 4-mer .* --on-error skip"):
        write_embeddings(out / "e.parquet", embedder, spoilt(tmp_path))
    assert [file.name for file in out.iterdir()] == ["e.parquet"]
    assert (out / "e.parquet").read_text() == "before"


def test_records_without_a_kmer_are_left_out_on_request(embedder, tmp_path):
    path = tmp_path / "e.parquet"
    assert write_embeddings(path, embedder, spoilt(tmp_path), on_error="skip") == 2
    assert read(path)[0] == ["good", "other"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("e.txt", "written as .parquet, .npz, .csv"), ("no/e.csv", "there is no folder")],
)
def test_what_cannot_be_written_is_refused_before_the_work(name, message, tmp_path):
    with pytest.raises(BarcodeMAEError, match=message):
        check_format(tmp_path / name)
