"""Softmax regression by stochastic gradient descent: the paper's linear probe.

The settings are those of the BarcodeBERT authors' program for all their models
(`baselines/linear_probing.py`): embeddings standardised by one mean and one deviation, 200 passes,
batches of 1024, learning rate 1, momentum 0.95, weight decay 1e-9.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

_BATCH, _RATE, _MOMENTUM, _DECAY = 1024, 1.0, 0.95, 1e-9


def fit(
    embeddings: np.ndarray,
    codes: np.ndarray,
    *,
    epochs: int = 200,
    seed: int = 0,
    after_epoch: Callable[[int, nn.Linear, float], None] | None = None,
    progress: bool = False,
) -> nn.Linear:
    """A layer that scores taxa from embeddings as they are: the standardisation is built in.

    Args:
        embeddings: (n, dim).
        codes: (n,) int64, the taxa, 0 to classes - 1.
        epochs: passes over the embeddings.
        after_epoch: called after each pass with its number, from 1, such a layer, and the mean loss
            of the pass.
    """
    mean, deviation = float(embeddings.mean()), float(embeddings.std())
    inputs = (torch.from_numpy(embeddings).float() - mean) / deviation
    targets = torch.from_numpy(codes)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layer = nn.Linear(inputs.shape[1], int(codes.max()) + 1)
    optimizer = torch.optim.SGD(
        layer.parameters(), lr=_RATE, momentum=_MOMENTUM, weight_decay=_DECAY
    )
    for epoch in tqdm(range(epochs), "linear probe", unit="epoch", delay=2, disable=not progress):
        total = torch.zeros(())
        for rows in torch.randperm(len(inputs), generator=generator).split(_BATCH):
            loss = nn.functional.cross_entropy(layer(inputs[rows]), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
        if after_epoch is not None:
            mean_loss = float(total) / len(inputs)
            after_epoch(epoch + 1, _unstandardised(layer, mean, deviation), mean_loss)
    return _unstandardised(layer, mean, deviation)


@torch.no_grad()
def _unstandardised(layer: nn.Linear, mean: float, deviation: float) -> nn.Linear:
    """The layer that does to embeddings what `layer` does to standardised ones."""
    layer = copy.deepcopy(layer)
    layer.weight.div_(deviation)
    layer.bias.sub_(mean * layer.weight.sum(dim=1))
    return layer
