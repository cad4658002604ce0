import shutil
import sys

import numpy as np
import pytest
import torch

import barcodemae.hub.onnx_export
from barcodemae import BarcodeMAEForSequenceClassification, BarcodeMAEModel
from barcodemae.encoders.embedder import Embedder
from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.export import export

from .conftest import BARCODES, run_without_project

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def repository(checkpoint, tmp_path_factory):
    return export(checkpoint, tmp_path_factory.mktemp("hub") / "onnx", onnx=True)


def test_example_embeds_with_onnx_runtime_alone(repository, tmp_path):
    """Neither torch nor transformers nor the project can be imported."""
    run_without_project(
        f"import numpy, sys; sys.path.insert(0, {str(repository)!r})\n"
        "from embed_with_onnxruntime import embed\n"
        f"numpy.save('found.npy', embed({str(repository)!r}, {BARCODES!r}))",
        blocked=("torch", "transformers"),
        cwd=tmp_path,
    )
    expected = Embedder.from_pretrained(repository, device="cpu").embed(BARCODES)
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, atol=1e-4, rtol=0)


def test_card_shows_the_example(repository):
    example = (repository / "embed_with_onnxruntime.py").read_text()
    assert f"```python\n{example}```" in (repository / "README.md").read_text()


def test_batch_and_length_are_free(repository):
    session = onnxruntime.InferenceSession(repository / "onnx" / "model.onnx")
    for rows, length in ((1, 1), (1, 165), (9, 7)):
        ids = np.zeros((rows, length), dtype=np.int64)
        states, pooled = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        assert states.shape == (rows, length, 32)
        assert pooled.shape == (rows, 32)


@pytest.mark.parametrize("encoder_only", [False, True])
def test_a_classifier_brings_its_logits(classifier, tmp_path, encoder_only):
    model = BarcodeMAEForSequenceClassification.from_pretrained(classifier).eval()
    model.classifier.weight.data *= 1e5  # logits of a probe are that large
    model.save_pretrained(tmp_path / "model")
    export(tmp_path / "model", tmp_path / "out", onnx=True, encoder_only=encoder_only)
    session = onnxruntime.InferenceSession(tmp_path / "out" / "onnx" / "model.onnx")
    names = [output.name for output in session.get_outputs()]
    assert names == ["last_hidden_state", "pooler_output", *([] if encoder_only else ["logits"])]
    if encoder_only:
        return
    ids = torch.tensor([[1, 2, 3, 256], [4, 5, 6, 7]])
    inputs = {"input_ids": ids.numpy(), "attention_mask": torch.ones_like(ids).numpy()}
    with torch.no_grad():
        expected = model(ids).logits.numpy()
    found = session.run(["logits"], inputs)[0]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_a_graph_that_differs_is_refused(repository, classifier, tmp_path, monkeypatch):
    """The exporter gives the graph of another model."""
    other = repository / "onnx" / "model.onnx"
    monkeypatch.setattr(
        torch.onnx, "export", lambda model, inputs, path, **_: shutil.copyfile(other, path)
    )
    with pytest.raises(BarcodeMAEError, match="differs from PyTorch by"):
        export(classifier, tmp_path / "out", onnx=True, encoder_only=True)
    assert list(tmp_path.iterdir()) == []


def test_missing_package_is_named(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    model = BarcodeMAEModel.from_pretrained(checkpoint)
    with pytest.raises(BarcodeMAEError, match=r"onnxscript: pip install 'barcodemae\[onnx\]'"):
        barcodemae.hub.onnx_export.write_onnx(model, tmp_path / "model.onnx")
