"""A model as an ONNX graph, checked against PyTorch in ONNX Runtime."""

import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from barcodemae.errors import BarcodeMAEError

INPUTS = ("input_ids", "attention_mask")
OUTPUTS = ("last_hidden_state", "pooler_output")
TOLERANCE = 1e-4


class _Graph(nn.Module):
    """The model with tensors, and nothing else, going in and out."""

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.encoder = model.base_model
        self.classifier = getattr(model, "classifier", None)
        self.outputs = OUTPUTS if self.classifier is None else (*OUTPUTS, "logits")

    def forward(self, input_ids, attention_mask):
        encoded = self.encoder(input_ids, attention_mask)
        outputs = tuple(encoded[name] for name in OUTPUTS)
        if self.classifier is not None:
            outputs = (*outputs, self.classifier(encoded.pooler_output))
        return outputs


def write_onnx(model: PreTrainedModel, path: Path) -> float:
    """Write an encoder, or one with a classifier, to `path`, float32, batch and length free.

    Graph: input_ids (batch, length) int64, attention_mask (batch, length) int64 ->
    last_hidden_state (batch, length, hidden), pooler_output (batch, size) and, of a classifier,
    logits (batch, labels).

    Returns:
        The largest difference from PyTorch, over batches of several sizes with padding and [UNK].

    Raises:
        BarcodeMAEError: a package is missing, or the graph differs by more than 1e-4.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  (the exporter of PyTorch needs it)
    except ImportError as error:
        raise BarcodeMAEError(
            f"ONNX export needs the package {error.name}: pip install 'barcodemae[onnx]'"
        ) from error
    graph = _Graph(model.float()).eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=_longest(model))}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the exporter's own inner workings
        torch.onnx.export(
            graph,
            _batch(model, rows=2, length=16),
            path,
            input_names=INPUTS,
            output_names=graph.outputs,
            dynamic_shapes={name: free for name in INPUTS},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    shapes = ((1, 1), (1, _longest(model)), (5, 37), (3, 16))
    worst = max(_difference(graph, session, _batch(model, *shape)) for shape in shapes)
    if not worst <= TOLERANCE:
        raise BarcodeMAEError(
            f"the ONNX graph differs from PyTorch by {worst:.1e}, more than {TOLERANCE:.0e}; it is "
            "not written. Try another version of torch or onnxscript."
        )
    return worst


def _longest(model: PreTrainedModel) -> int:
    return model.config.max_position_embeddings


def _batch(model: PreTrainedModel, rows: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(length)
    ids = torch.randint(model.config.num_kmers + 1, (rows, length), generator=generator)
    attention_mask = torch.ones_like(ids)
    attention_mask[-1, length // 2 + 1 :] = 0
    return ids.masked_fill(attention_mask == 0, model.config.unk_token_id), attention_mask


@torch.no_grad()
def _difference(graph: _Graph, session, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
    expected = [output.numpy() for output in graph(*batch)]
    found = session.run(
        graph.outputs, {name: value.numpy() for name, value in zip(INPUTS, batch, strict=True)}
    )
    is_real = batch[1].bool().numpy()
    # Of the states those of padding mean nothing.
    expected[0], found[0] = expected[0][is_real], found[0][is_real]
    return max(float(np.abs(a - b).max()) for a, b in zip(expected, found, strict=True))
