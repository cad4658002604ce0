"""Means over held-out barcodes, of every process together."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from accelerate import Accelerator


@torch.no_grad()
def held_out_means(
    model: torch.nn.Module,
    batches: Iterable[dict],
    accelerator: Accelerator,
    sums_of: Callable[[dict], torch.Tensor],
) -> list[float]:
    """m means over `batches`, of every process together.

    Args:
        sums_of: a batch -> (m + 1,) float64: m sums, and the number of what they are summed over.
    """
    model.eval()
    totals = 0
    for batch in batches:
        batch = move(batch, accelerator.device)
        with accelerator.autocast():
            totals += sums_of(batch)
    model.train()
    *sums, count = accelerator.reduce(totals, "sum").tolist()
    return [value / max(count, 1) for value in sums]


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
