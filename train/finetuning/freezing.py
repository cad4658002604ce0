"""Which layers learn, when, and how fast."""

from __future__ import annotations

from collections import defaultdict

from torch import nn
from transformers import TrainerCallback

from barcodemae import BarcodeMAEForSequenceClassification


def depth_of(name: str, num_layers: int) -> int:
    """How far a parameter is from the output: head 0, last layer 1, ..., embeddings layers + 1."""
    if ".encoder.layer." in name:
        return num_layers - int(name.split(".encoder.layer.")[1].split(".")[0])
    return num_layers + 1 if name.startswith("barcodemae.") else 0


def parameters_by_depth(
    model: BarcodeMAEForSequenceClassification,
) -> dict[int, list[nn.Parameter]]:
    """The parameters that learn, by `depth_of`."""
    groups = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[depth_of(name, model.config.num_hidden_layers)].append(parameter)
    return dict(groups)


def parameter_groups(model: BarcodeMAEForSequenceClassification, layer_decay: float) -> list[dict]:
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

    def __init__(self, model: BarcodeMAEForSequenceClassification, epochs_per_layer: float):
        self.parameters = parameters_by_depth(model)
        self.epochs_per_layer = epochs_per_layer

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        deepest = int((state.epoch or 0) / self.epochs_per_layer)
        for depth, parameters in self.parameters.items():
            if depth > deepest:
                for parameter in parameters:
                    parameter.grad = None
