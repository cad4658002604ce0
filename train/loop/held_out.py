"""Means over held-out barcodes, of every process together."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from accelerate import Accelerator


@torch.no_grad()
def loss_and_accuracy(
    model: torch.nn.Module,
    batches: Iterable[dict],
    accelerator: Accelerator,
    judged: Callable[[dict], tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
) -> dict[str, float]:
    """Mean loss and accuracy over all labels of `batches`, of every process together.

    Args:
        judged: a batch -> the sum of the losses (), how many are right (), and the labels.
    """
    model.eval()
    totals = 0
    for batch in batches:
        with accelerator.autocast():
            loss, right, labels = judged(move(batch, accelerator.device))
            totals += torch.stack([loss, right, (labels != -100).sum()]).double()
    model.train()
    loss, right, count = accelerator.reduce(totals, "sum").tolist()
    return {"loss": loss / max(count, 1), "accuracy": right / max(count, 1)}


def move(batch: dict, device: torch.device) -> dict:
    """The batch on `device`; numbers stay numbers, so nothing waits for the device."""
    return {name: _moved(value, device) for name, value in batch.items()}


def _moved(value: object, device: torch.device) -> object:
    if torch.is_tensor(value):
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return move(value, device)
    if isinstance(value, list):
        return [_moved(part, device) for part in value]
    return value
