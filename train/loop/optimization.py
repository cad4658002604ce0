"""AdamW and OneCycle as in the paper (Appendix B), and what suits short runs of small models."""

import math
from collections.abc import Iterable

import torch
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR


def make_optimizer(
    parameters: Iterable[torch.nn.Parameter] | Iterable[dict],
    base_learning_rate: float,
    global_batch_size: int,
    weight_decay: float,
    betas: tuple[float, float] = (0.9, 0.999),
) -> AdamW:
    """AdamW (fused), at the highest learning rate that the schedule will reach.

    That is base_learning_rate x global batch / 64, so that another number of devices asks for no
    other setting. A parameter group may bring its own share of it, `scale`.
    """
    highest = base_learning_rate * global_batch_size / 64
    optimizer = AdamW(parameters, lr=highest, betas=betas, weight_decay=weight_decay, fused=True)
    for group in optimizer.param_groups:
        group["lr"] = highest * group.get("scale", 1.0)
    return optimizer


def one_cycle(optimizer: torch.optim.Optimizer, total_steps: int) -> OneCycleLR:
    """OneCycle with torch's defaults, up to the optimizer's rates; step it once a global step."""
    highest = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, max_lr=highest, total_steps=total_steps)


def cosine(optimizer: torch.optim.Optimizer, total_steps: int, warm_up_steps: int) -> LambdaLR:
    """Up to the optimizer's rates in `warm_up_steps`, and down to 1 % of them along a cosine."""

    def share(step: int) -> float:
        down = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / total_steps))
        return down * min(1.0, (step + 1) / max(warm_up_steps, 1))

    return LambdaLR(optimizer, share)


_PROXY_RATE = 3.0  # times that of the weights: a proxy is moved by few of the batches


def matrices_apart(model: torch.nn.Module, weight_decay: float) -> list[dict]:
    """Parameter groups: weight decay for matrices alone, none for biases, norms and centres.

    Proxies of taxa, which begin anywhere, have none either and a rate of their own.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    proxies = [p for name, p in named if name.startswith("proxies.")]
    rest = [(name, p) for name, p in named if not name.startswith("proxies.")]
    plain = [p for name, p in rest if p.dim() < 2 or name.endswith(".centre")]
    matrices = [p for name, p in rest if not (p.dim() < 2 or name.endswith(".centre"))]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    if proxies:
        groups.append({"params": proxies, "weight_decay": 0.0, "scale": _PROXY_RATE})
    return groups
