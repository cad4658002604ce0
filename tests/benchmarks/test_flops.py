import pytest

from barcodemae import BarcodeMAEConfig
from barcodemae.presets import preset_config
from benchmarks.flops import encoder_flops, forward_flops


def test_the_papers_model_takes_14_7_gflop():
    config = BarcodeMAEConfig()
    assert forward_flops(config, 110, 55, 55) / 1e9 == pytest.approx(14.7, abs=0.05)
    # The same by hand: 6 layers over 55 tokens, 6 over 110, projection, head.
    layer = 2 * (4 * 768**2 + 2 * 768 * 3072)
    stacks = 6 * 55 * (layer + 4 * 55 * 768) + 6 * 110 * (layer + 4 * 110 * 768)
    assert forward_flops(config, 110, 55, 55) == stacks + 2 * 55 * 768 * (768 + 4096)


def test_an_encoder_that_sees_masks_computes_every_position():
    config = preset_config("barcodebert-6layer")
    head = 2.0 * 768 * 4096 * 55
    assert forward_flops(config, 110, 55, 55) == encoder_flops(config, 110) + head


def test_padding_and_logits_everywhere_cost_more():
    config = BarcodeMAEConfig()
    needed, padded = forward_flops(config, 110, 55, 55), forward_flops(config, 110, 66, 110)
    assert padded / needed == pytest.approx(1.09, abs=0.01)
