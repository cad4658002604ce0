"""A moving average of the weights, which is steadier than the weights of the last step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class WeightAverage:
    """Exponential moving average of a model's parameters, kept beside them.

    Early steps count more: after n of them the decay is (1 + n) / (10 + n) at most, so that the
    start is soon forgotten. Every process of a run keeps the same average.

    Args:
        model: whose parameters are followed; on the device where it will stay.
        decay: in (0, 1).
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.steps = 0
        named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.names, self.parameters = list(named), list(named.values())
        self.means = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        torch._foreach_lerp_(self.means, [p.detach() for p in self.parameters], 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the average for its weights meanwhile."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def keep(self) -> None:
        """The model has the average for its weights from now on."""
        torch._foreach_copy_(self.parameters, self.means)

    @torch.no_grad()
    def _swap(self) -> None:
        for parameter, mean in zip(self.parameters, self.means, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(mean)
            mean.copy_(kept)

    def state_dict(self) -> dict[str, torch.Tensor]:
        means = zip(self.names, self.means, strict=True)
        return {"steps": torch.tensor(self.steps), **{f"mean.{n}": each for n, each in means}}

    def load_state_dict(self, state_dict: dict[str, torch.Tensor]) -> None:
        self.steps = int(state_dict["steps"])
        for name, mean in zip(self.names, self.means, strict=True):
            mean.copy_(state_dict[f"mean.{name}"])
