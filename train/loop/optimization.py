"""AdamW and OneCycle as in the paper (Appendix B): facts, not choices."""

from collections.abc import Iterable

import torch
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR


def make_optimizer(
    parameters: Iterable[torch.nn.Parameter] | Iterable[dict],
    base_learning_rate: float,
    global_batch_size: int,
    weight_decay: float,
) -> AdamW:
    """AdamW (fused), at the highest learning rate that `one_cycle` will reach.

    That is base_learning_rate x global batch / 64, so that another number of devices asks for no
    other setting. A parameter group may bring its own share of it, `scale`.
    """
    highest = base_learning_rate * global_batch_size / 64
    optimizer = AdamW(parameters, lr=highest, weight_decay=weight_decay, fused=True)
    for group in optimizer.param_groups:
        group["lr"] = highest * group.get("scale", 1.0)
    return optimizer


def one_cycle(optimizer: torch.optim.Optimizer, total_steps: int) -> OneCycleLR:
    """OneCycle with torch's defaults, up to the optimizer's rates; step it once a global step."""
    highest = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, max_lr=highest, total_steps=total_steps)
