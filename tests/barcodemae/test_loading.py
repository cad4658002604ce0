import pytest
from transformers import BertConfig

from barcodemae import BarcodeMAEConfig, BarcodeMAEModel
from barcodemae.errors import BarcodeMAEError
from barcodemae.loading import load_model


def test_a_saved_model_comes_back(tmp_path):
    BarcodeMAEModel(BarcodeMAEConfig.preset("barcodemae-tiny")).save_pretrained(tmp_path)
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
    BarcodeMAEModel(BarcodeMAEConfig.preset("barcodemae-tiny")).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(BarcodeMAEError, match="cannot be loaded"):
        load_model(BarcodeMAEModel, tmp_path)
