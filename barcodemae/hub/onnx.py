"""A model as an ONNX graph, checked against PyTorch in ONNX Runtime."""

from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from barcodemae.embedding.onnx_graph import (
    INPUTS,
    TensorsAlone,
    check_packages,
    example_batch,
    write_graph,
)
from barcodemae.errors import BarcodeMAEError

OUTPUTS = ("last_hidden_state", "pooler_output")
TOLERANCE = 1e-4


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
    check_packages()
    import onnxruntime

    graph = TensorsAlone(model.float(), OUTPUTS).eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_graph(graph, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    shapes = ((1, 1), (1, model.config.max_position_embeddings), (5, 37), (3, 16))
    batches = (example_batch(model.config, *shape) for shape in shapes)
    worst = max(_difference(graph, session, batch) for batch in batches)
    if not worst <= TOLERANCE:
        raise BarcodeMAEError(
            f"the ONNX graph differs from PyTorch by {worst:.1e}, more than {TOLERANCE:.0e}; it is "
            "not written. Try another version of torch or onnxscript."
        )
    return worst


@torch.no_grad()
def _difference(graph: TensorsAlone, session, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
    expected = [output.numpy() for output in graph(*batch)]
    found = session.run(
        graph.outputs, {name: value.numpy() for name, value in zip(INPUTS, batch, strict=True)}
    )
    is_real = batch[1].bool().numpy()
    # Of the states those of padding mean nothing.
    expected[0], found[0] = expected[0][is_real], found[0][is_real]
    return max(float(np.abs(a - b).max()) for a, b in zip(expected, found, strict=True))
