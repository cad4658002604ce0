import copy

import pytest
import torch

from train.loop.averaging import WeightAverage


def test_the_average_is_the_formulas_and_stands_in_for_the_weights():
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    average = WeightAverage(model, decay=0.5)
    expected = model.weight.detach().clone()
    for step in range(20):
        with torch.no_grad():
            model.weight.add_(torch.randn_like(model.weight))
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.weight.detach()
    now = model.weight.detach().clone()
    with average.in_place():
        torch.testing.assert_close(model.weight.detach(), expected)
    assert torch.equal(model.weight, now)
    with pytest.raises(KeyError), average.in_place():
        raise KeyError
    assert torch.equal(model.weight, now)

    kept = copy.deepcopy(model)
    of_kept = WeightAverage(kept, decay=0.5)
    of_kept.load_state_dict(copy.deepcopy(average.state_dict()))
    of_kept.keep()
    torch.testing.assert_close(kept.weight.detach(), expected)

    other = WeightAverage(copy.deepcopy(model), decay=0.5)
    other.load_state_dict(copy.deepcopy(average.state_dict()))
    assert other.steps == 20 and torch.equal(other.means[0], average.means[0])
