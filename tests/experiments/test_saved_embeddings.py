import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.splits import BarcodeSet
from experiments.saved_embeddings import SavedEmbeddings, save_embeddings


def barcodes(*sequences):
    return BarcodeSet("val", pd.DataFrame({"nucleotides": sequences, "split": "val"}))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_embeddings_come_back_by_barcode(kind, tmp_path):
    vectors = np.array([[1.0, 0.5], [0.0, -2.0], [3.0, 0.25]])
    path = tmp_path / "embeddings" / "run.npz"
    there = barcodes("AAAA", "CCCC", "GGGG")
    save_embeddings(path, kind(vectors), there)
    encoder = SavedEmbeddings(path, there, "a model")
    found = encoder.embed(["GGGG", "AAAA"])
    assert found.dtype == np.float32 and found.tolist() == [[3.0, 0.25], [1.0, 0.5]]
    assert encoder.settings["dimensions"] == 2


def test_other_barcodes_and_no_file_are_refused(tmp_path):
    save_embeddings(tmp_path / "run.npz", np.ones((1, 2)), barcodes("AAAA"))
    with pytest.raises(BarcodeMAEError, match="run.npz: holds the embeddings of other barcodes"):
        SavedEmbeddings(tmp_path / "run.npz", barcodes("CCCC"), "a model")
    with pytest.raises(BarcodeMAEError, match="none.npz: not there. Copy the folder embeddings/"):
        SavedEmbeddings(tmp_path / "none.npz", barcodes("CCCC"), "a model")
