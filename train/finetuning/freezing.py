"""Which layers learn, when, and how fast."""

from __future__ import annotations

from collections import defaultdict

from torch import nn
from transformers import PreTrainedModel, TrainerCallback


def parameters_by_depth(model: PreTrainedModel) -> dict[int, list[nn.Parameter]]:
    """The parameters that learn, by how far they are from the output.

    Those above the encoder's last layer are at 0, that layer is at 1, ..., the embeddings are the
    deepest. `model.base_model` says what its stages are.
    """
    depths = {
        id(parameter): depth
        for depth, stage in enumerate(reversed(model.base_model.stages), start=1)
        for parameter in stage.parameters()
    }
    groups = defaultdict(list)
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups[depths.get(id(parameter), 0)].append(parameter)
    return dict(groups)


def parameter_groups(model: PreTrainedModel, layer_decay: float) -> list[dict]:
    """Groups for the optimizer: a layer learns at `layer_decay` of the rate of the one above it."""
    return [
        {"params": parameters, "scale": layer_decay**depth}
        for depth, parameters in sorted(parameters_by_depth(model).items())
    ]


class GradualUnfreezing(TrainerCallback):
    """Free the encoder from its last layer downwards, a layer every so many epochs.

    The gradients of frozen layers are dropped before the optimizer's step. (To switch off
    `requires_grad` would be cheaper, but DistributedDataParallel settles once, at the start, which
    parameters it reduces.)
    """

    def __init__(self, model: PreTrainedModel, epochs_per_layer: float):
        self.parameters = parameters_by_depth(model)
        self.epochs_per_layer = epochs_per_layer

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        deepest = int((state.epoch or 0) / self.epochs_per_layer)
        for depth, parameters in self.parameters.items():
            if depth > deepest:
                for parameter in parameters:
                    parameter.grad = None
