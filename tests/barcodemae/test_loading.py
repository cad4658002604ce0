import pytest
from transformers import BertConfig

from barcodemae import (
    BarcodeMAEForMaskedLM,
    BarcodeMAEForSequenceClassification,
    BarcodeMAEModel,
)
from barcodemae.errors import BarcodeMAEError
from barcodemae.loading import load_model
from barcodemae.presets import preset_config


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
    with pytest.raises(BarcodeMAEError, match="cannot be loaded"):
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
