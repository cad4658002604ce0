import json

import pytest
import torch
from transformers import BertConfig

from barcodemae import (
    BarcodeMAEForMaskedLM,
    BarcodeMAEForSequenceClassification,
    BarcodeMAEModel,
)
from barcodemae.errors import BarcodeMAEError
from barcodemae.hub.source import check_finished
from barcodemae.loading import load_model
from barcodemae.presets import preset_config
from enbed import EnbedModel


def test_a_saved_model_comes_back(tmp_path):
    BarcodeMAEModel(preset_config("barcodemae-tiny")).save_pretrained(tmp_path)
    assert load_model(BarcodeMAEModel, tmp_path).config.kmer_size == 4


def test_what_is_no_model_is_said_before_anything_is_loaded(tmp_path):
    with pytest.raises(BarcodeMAEError, match="not a checkpoint directory.*OUTPUT_DIR/best"):
        load_model(BarcodeMAEModel, tmp_path)
    with pytest.raises(BarcodeMAEError, match="no such directory.*no Hub id"):
        load_model(BarcodeMAEModel, tmp_path / "nowhere")
    with pytest.raises(BarcodeMAEError, match="someone/nothing: cannot be loaded"):
        load_model(BarcodeMAEModel, "someone/nothing")
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(BarcodeMAEError, match="type 'bert', not a BarcodeMAE"):
        load_model(BarcodeMAEModel, tmp_path)


def test_damaged_weights_are_said_to_be(tmp_path):
    BarcodeMAEModel(preset_config("barcodemae-tiny")).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(BarcodeMAEError, match="cannot be loaded"):
        load_model(BarcodeMAEModel, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(BarcodeMAEError, match="cannot be loaded.*not copied whole"):
        load_model(BarcodeMAEModel, tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(BarcodeMAEError, match="config.json: not JSON"):
        load_model(BarcodeMAEModel, tmp_path)


WRONG = {
    "hidden_size": [0, -1, 2.5, "128", None, True, [128], {"a": 1}, float("nan"), 10**9, 127],
    "num_hidden_layers": [0, 10**7, "2"],
    "kmer_size": [0, 9, None],
    "layer_norm_eps": [float("nan"), float("inf"), None, "1e-12"],
    "initializer_range": [0, -0.1, float("nan")],
    "hidden_dropout_prob": [1.0, float("nan")],
    "hidden_act": ["gelo", None, 3],
    "max_position_embeddings": [0, 10**9],
    "pooling": ["max", None],
    "vocab_size": [7],
    "id2label": ["a", [1]],
    "hiden_size": [128],
    "architectures": [5],
}


def test_a_wrong_config_is_a_line_that_names_the_field(tmp_path):
    BarcodeMAEModel(preset_config("barcodemae-tiny")).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    right = json.loads(path.read_text())
    for field, values in WRONG.items():
        for value in values:
            path.write_text(json.dumps({**right, field: value}))
            with pytest.raises(BarcodeMAEError) as refusal:
                load_model(BarcodeMAEModel, tmp_path)
            said = str(refusal.value)
            assert str(tmp_path) in said and "config.json" in said and "\n" not in said
            assert field in said, said


@pytest.mark.parametrize(
    "text", ["[1, 2]", "null", "3", '"a"', "{", "", '{"model_type": ["barcodemae"]}', "[" * 9999]
)
def test_a_config_that_is_none_is_a_line(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(BarcodeMAEError) as refusal:
        load_model(BarcodeMAEModel, tmp_path)
    assert str(tmp_path) in str(refusal.value) and "\n" not in str(refusal.value)
    with pytest.raises(BarcodeMAEError, match="config.json|model_type|model.safetensors"):
        check_finished(tmp_path)


def test_a_wrong_config_of_an_enbed_is_a_line(tmp_path):
    EnbedModel(preset_config("enbed-tiny")).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    right = json.loads(path.read_text())
    for changed in (
        *({"num_layers": 10**7}, {"hidden_size": None}, {"radii": 3}, {"radii": [1]}),
        *({"dropout_rate": float("nan")}, {"vocab_size": "many"}, {"num_heads": 5}),
    ):
        path.write_text(json.dumps({**right, **changed}))
        with pytest.raises(BarcodeMAEError, match=next(iter(changed))) as refusal:
            load_model(EnbedModel, tmp_path)
        assert str(tmp_path) in str(refusal.value) and "\n" not in str(refusal.value)


def test_weights_that_are_a_pickle_are_refused(tmp_path):
    model = BarcodeMAEModel(preset_config("barcodemae-tiny"))
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(BarcodeMAEError, match=r"pickle \(pytorch_model.bin\).*safe_serialization"):
        load_model(BarcodeMAEModel, tmp_path)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    model = BarcodeMAEModel(preset_config("barcodemae-tiny"))
    with torch.no_grad():
        next(model.parameters())[0, 0] = float("nan")
    model.save_pretrained(tmp_path)
    with pytest.raises(BarcodeMAEError, match="weights are NaN or infinite.*ran away"):
        load_model(BarcodeMAEModel, tmp_path)


@pytest.mark.parametrize("changed", [{"num_hidden_layers": 5}, {"hidden_size": 64}])
def test_weights_that_the_configuration_asks_for_in_vain_are_not_made_up(tmp_path, changed):
    config = preset_config("barcodemae-tiny")
    BarcodeMAEModel(config).save_pretrained(tmp_path)
    preset_config("barcodemae-tiny", **changed).save_pretrained(tmp_path)
    with pytest.raises(BarcodeMAEError, match="weights lack|cannot be loaded"):
        load_model(BarcodeMAEModel, tmp_path)


def test_a_head_for_classification_may_be_new(tmp_path):
    BarcodeMAEForMaskedLM(preset_config("barcodemae-tiny")).save_pretrained(tmp_path)
    model = load_model(BarcodeMAEForSequenceClassification, tmp_path)
    assert model.config.num_labels == 2
