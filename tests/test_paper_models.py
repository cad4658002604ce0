"""The paper's models stay what they are: parameters, first draws and outputs of an earlier release.

`expected/paper_models.json` was written before models could pool by site.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from test_modeling_barcodemae import SIZES, VARIANTS, draw_barcodes, pad

from configuration_barcodemae import BarcodeMAEConfig
from modeling_barcodemae import BarcodeMAEForMaskedLM, BarcodeMAEForSequenceClassification

EXPECTED = json.loads((Path(__file__).parent / "expected" / "paper_models.json").read_text())


@torch.no_grad()
def filled(model):
    """The model with numbers that follow from its parameters' names and shapes."""
    generator = np.random.default_rng(0)
    for _, parameter in sorted(model.named_parameters()):
        parameter.copy_(torch.from_numpy(generator.normal(0, 0.3, tuple(parameter.shape))))
    return model.eval()


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameters_and_outputs_are_those_of_an_earlier_release(variant):
    expected = EXPECTED[variant]
    config = BarcodeMAEConfig(**{**SIZES, **VARIANTS[variant]})
    torch.manual_seed(0)
    model = BarcodeMAEForMaskedLM(config)
    drawn = sum(parameter.double().abs().sum().item() for parameter in model.parameters())
    assert drawn == pytest.approx(expected["drawn_from_seed_0"], abs=1e-3)

    filled(model)
    shapes = [f"{name} {tuple(p.shape)}\n" for name, p in sorted(model.named_parameters())]
    assert sum(parameter.numel() for parameter in model.parameters()) == expected["parameters"]
    digest = hashlib.sha256("".join(shapes).encode()).hexdigest()
    assert digest == expected["digest_of_names_and_shapes"]

    batch = pad(draw_barcodes([12, 5]))
    barcodes = (batch["input_ids"], batch["attention_mask"])
    with torch.no_grad():
        loss = model(**batch).loss.item()
        embeddings = model.barcodemae(*barcodes).pooler_output[:, :4].numpy()
        logits = filled(BarcodeMAEForSequenceClassification(config))(*barcodes).logits.numpy()
    assert loss == pytest.approx(expected["loss"], abs=1e-4)
    np.testing.assert_allclose(embeddings, expected["embedding"], atol=1e-4)
    np.testing.assert_allclose(logits, expected["class_logits"], atol=1e-4)
