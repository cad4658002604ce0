"""AdamW and OneCycle as in the paper (Appendix B): facts, not choices."""

from collections.abc import Iterable

import torch
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR


def make_optimizer(
    parameters: Iterable[torch.nn.Parameter] | Iterable[dict],
    base_learning_rate: float,
    global_batch_size: int,
    total_steps: int,
    weight_decay: float,
) -> tuple[AdamW, OneCycleLR]:
    """AdamW (fused) and OneCycle with torch's defaults; step the schedule once a global step.

    The highest learning rate is base_learning_rate x global batch / 64, so that another number of
    devices asks for no other setting. A parameter group may bring its own share of it, `scale`.
    """
    highest = base_learning_rate * global_batch_size / 64
    optimizer = AdamW(parameters, lr=highest, weight_decay=weight_decay, fused=True)
    highest_of_groups = [highest * group.get("scale", 1.0) for group in optimizer.param_groups]
    return optimizer, OneCycleLR(optimizer, max_lr=highest_of_groups, total_steps=total_steps)
