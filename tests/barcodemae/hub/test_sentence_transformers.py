import numpy as np
import pytest

from barcodemae.encoders.embedder import Embedder
from barcodemae.hub.export import export

from .conftest import BARCODES, run_without_project

pytest.importorskip("sentence_transformers")

_ENCODE = """
import numpy, json
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(REPOSITORY, trust_remote_code=True, device="cpu")
found = [model.encode(BARCODES), numpy.stack([model.encode(b) for b in BARCODES])]
model.save_pretrained(COPY)
found.append(SentenceTransformer(COPY, trust_remote_code=True, device="cpu").encode(BARCODES))
assert model.similarity_fn_name == "cosine"
assert model.get_embedding_dimension() == 32
states = model.encode(BARCODES[:1], output_value="token_embeddings")[0]
assert tuple(states.shape) == (len(BARCODES[0]) // 4, 32)
numpy.save(OUTPUT, numpy.stack(found))
"""


def test_encode_equals_our_embedding_also_after_save_and_reload(checkpoint, tmp_path):
    """N-containing barcodes, mixed lengths, in batches and one by one."""
    repository = export(checkpoint, tmp_path / "repository")
    places = {
        "REPOSITORY": repository,
        "COPY": tmp_path / "copy",
        "OUTPUT": tmp_path / "found.npy",
    }
    names = "".join(f"{name} = {str(path)!r}\n" for name, path in places.items())
    run_without_project(f"{names}BARCODES = {BARCODES!r}\n{_ENCODE}")
    expected = Embedder.from_pretrained(repository, device="cpu").embed(BARCODES)
    for found in np.load(tmp_path / "found.npy"):
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
