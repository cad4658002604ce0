"""An exported ENBED: a whole repository, also for sentence-transformers, with its card."""

import re

import numpy as np
import pytest
import torch

from barcodemae.checking.tags import LABELS
from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.export import export
from barcodemae.identification.folding import joined_map
from barcodemae.loading import load_model
from barcodemae.presets import preset_config
from enbed import (
    EnbedForConditionalGeneration,
    EnbedForTokenClassification,
    EnbedModel,
    EnbedTokenizer,
)

SEQUENCES = ["ACGTTGCATTGACCAGTN" * 4, "acgtacgtaa"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("enbed") / "checkpoint"
    EnbedForConditionalGeneration(preset_config("enbed-tiny")).save_pretrained(folder)
    return folder


def test_the_card_says_what_the_model_is_and_its_snippet_runs(checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = export(checkpoint, "repository")
    card = (folder / "README.md").read_text()
    assert "arxiv:2311.02333" in card and "arxiv:2502.18405" not in card
    assert "encoder-decoder for DNA at byte precision" in card and "16 or 32 or 64" in card
    first, writer = re.findall(r"```python\n(.*?)```", card, flags=re.S)
    space = {}
    exec(first + writer, space)
    assert space["embeddings"].shape == (2, 64) and len(space["filled"]) == 1


def test_sentence_transformers_gives_the_models_embedding(checkpoint, tmp_path):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    folder = export(checkpoint, tmp_path / "repository", encoder_only=True)
    model = sentence_transformers.SentenceTransformer(str(folder), trust_remote_code=True)
    encoder = EnbedModel.from_pretrained(folder).eval()
    for sequence, found in zip(SEQUENCES, model.encode(SEQUENCES), strict=True):
        ids = torch.tensor([model.tokenizer(sequence)["input_ids"]])
        expected = encoder(ids).pooler_output[0].detach().numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_edit_tags_are_named_in_the_card(tmp_path):
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {x: i for i, x in enumerate(LABELS)}}
    config = preset_config("enbed-tiny", learned_positions=704, least_to_mend=0.9, **labels)
    EnbedForTokenClassification(config).save_pretrained(tmp_path / "checkpoint")
    card = (export(tmp_path / "checkpoint", tmp_path / "out") / "README.md").read_text()
    assert "edit tags, which say how to undo sequencing errors" in card
    assert "a learned vector for each of the first 704 places" in card


def test_it_is_refused_where_a_barcodemae_is_needed(checkpoint):
    from barcodemae import BarcodeMAEModel

    with pytest.raises(BarcodeMAEError, match="holds a ENBED, which this cannot work with"):
        load_model(BarcodeMAEModel, checkpoint)


def test_sequences_are_embedded_in_bulk(checkpoint):
    from barcodemae.encoders.embedder import Embedder

    embedder = Embedder.from_pretrained(checkpoint, "cpu")
    long = "acgt" * 4000 + "ttgc" * 1000
    found = embedder.embed([*SEQUENCES, "", long], batch_size=2)
    encoder = EnbedModel.from_pretrained(checkpoint).eval()
    tokenizer = EnbedTokenizer()

    def embedding(sequence):
        ids = tokenizer(sequence, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            return encoder(ids).pooler_output[0].numpy()

    for row, sequence in enumerate(SEQUENCES[:2]):
        np.testing.assert_allclose(found[row], embedding(sequence), atol=2e-5)
    # Longer than the model reads: two windows that overlap, and their mean.
    expected = (embedding(long[:16383]) + embedding(long[-16383:])) / 2
    np.testing.assert_allclose(found[3], expected, atol=2e-5)
    assert not found[2].any() and embedder.dim == 64


def test_what_an_enbed_lacks_is_said(checkpoint, tmp_path):
    with pytest.raises(BarcodeMAEError, match="--onnx: ENBED models have no ONNX graph"):
        export(checkpoint, tmp_path / "repository", onnx=True)
    with pytest.raises(BarcodeMAEError, match="--fold-metric is for models that pool by site"):
        joined_map(checkpoint, tmp_path / "labelled.csv")
    with pytest.raises(BarcodeMAEError, match="--fold-rank Genus: no such rank"):
        joined_map(checkpoint, tmp_path / "labelled.csv", "Genus")
