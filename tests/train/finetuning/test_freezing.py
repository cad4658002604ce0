from types import SimpleNamespace

import pytest
import torch

from barcodemae import BarcodeMAEForSequenceClassification
from barcodemae.presets import preset_config
from train.finetuning.freezing import GradualUnfreezing, parameter_groups, parameters_by_depth
from train.loop.optimization import make_optimizer, one_cycle


@pytest.fixture
def model():
    return BarcodeMAEForSequenceClassification(
        preset_config(
            "barcodemae-tiny", num_hidden_layers=3, hidden_size=8, intermediate_size=8, kmer_size=2
        )
    )


def test_every_parameter_has_one_depth(model):
    groups = parameters_by_depth(model)
    assert sorted(groups) == [0, 1, 2, 3, 4]
    layer = model.barcodemae.bert.encoder.layer
    assert {id(p) for p in groups[0]} == {id(p) for p in model.classifier.parameters()}
    assert {id(p) for p in groups[1]} == {id(p) for p in layer[2].parameters()}
    assert {id(p) for p in groups[3]} == {id(p) for p in layer[0].parameters()}
    assert sum(map(len, groups.values())) == len(list(model.parameters()))


def test_lower_layers_learn_more_slowly(model):
    optimizer = make_optimizer(parameter_groups(model, 0.5), 1e-3, 64, 0.0)
    schedule = one_cycle(optimizer, 10)
    peaks = [0.0] * 5
    for _ in range(10):
        peaks = [max(old, new) for old, new in zip(peaks, schedule.get_last_lr(), strict=True)]
        optimizer.step()
        schedule.step()
    assert peaks == pytest.approx([1e-3 * 0.5**depth for depth in range(5)], rel=1e-2)


def test_frozen_encoder_leaves_the_head_alone(model):
    model.barcodemae.requires_grad_(False)
    assert list(parameters_by_depth(model)) == [0]


def test_layers_are_freed_from_the_last(model):
    callback = GradualUnfreezing(model, epochs_per_layer=2)
    groups = parameters_by_depth(model)
    for epoch, freed in ((None, 0), (1.9, 0), (2.0, 1), (5.0, 2), (99.0, 4)):
        model(torch.zeros(1, 4, dtype=torch.long), labels=torch.tensor([0])).loss.backward()
        callback.on_pre_optimizer_step(None, SimpleNamespace(epoch=epoch), None)
        for depth, parameters in groups.items():
            assert all((p.grad is not None) == (depth <= freed) for p in parameters)
