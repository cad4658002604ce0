import json

import pytest
import torch

from barcodemae.presets import PRESETS, preset_config
from enbed import EnbedConfig, EnbedForConditionalGeneration


@pytest.mark.parametrize(
    ("preset", "depths", "millions"),
    [
        ("enbed-base", (8, 4), 95),
        ("enbed-large", (24, 12), 1198),
        ("enbed-small", (6, 3), 8),
        ("enbed-tiny", (3, 2), 0),
    ],
)
def test_presets(preset, depths, millions):
    config = preset_config(preset)
    assert (config.num_layers, config.num_decoder_layers) == depths
    with torch.device("meta"):
        model = EnbedForConditionalGeneration(config)
    assert model.num_parameters() // 1_000_000 == pytest.approx(millions, abs=1)
    assert set(PRESETS["enbed"]) == {"enbed-base", "enbed-large", "enbed-small", "enbed-tiny"}


@pytest.mark.parametrize("preset", ["enbed-base", "enbed-large"])
def test_the_reach_is_the_papers(preset):
    config = preset_config(preset)
    assert config.radii[:4] == [64, 64, 64, 128] and set(config.radii[3:]) == {128}
    assert (config.vocab_size, config.max_position_embeddings) == (384, 16384)


def test_a_saved_config_is_flat_and_comes_back(tmp_path):
    config = preset_config("enbed-tiny", learned_positions=9, num_labels=10)
    config.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert "encoder" not in saved and saved["radii"] == [16, 32, 64]
    assert EnbedConfig.from_pretrained(tmp_path).to_dict() == config.to_dict()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"hidden_size": 30, "num_heads": 4}, "hidden_size = 30 is not allowed with num_heads = 4"),
        ({"num_layers": 2, "radii": [64]}, "radii are 2 integers"),
        ({"ngram_sizes": [3, 9]}, "different integers from 2 to 8"),
        ({"classifier_pooling": "max"}, "one of 'mean', 'sites'"),
        ({"classifier_pooling": "sites"}, "not allowed without learned_positions"),
        ({"aligned_output": "no"}, "it is true or false"),
        ({"decoder_radii": 3}, "Did you mean 'decoder_radius'"),
    ],
)
def test_what_is_not_allowed_is_named(fields, said):
    with pytest.raises(ValueError, match=said):
        EnbedConfig(**fields)
    with pytest.raises(ValueError, match="num_layers = 0 is not allowed"):
        preset_config("enbed-tiny", num_layers=0)
    with pytest.raises(ValueError, match="no preset 'enbed-huge'. Did you mean"):
        preset_config("enbed-huge")
