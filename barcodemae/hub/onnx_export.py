"""A model as an ONNX graph, checked against PyTorch in ONNX Runtime."""

import json
import tempfile
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
from barcodemae.outputs import write_whole

OUTPUTS = ("last_hidden_state", "pooler_output")
BESIDE = "graph.onnx"  # beside model.safetensors, whose weights it reads
TOLERANCE = 1e-4


def write_onnx(model: PreTrainedModel, path: Path) -> float:
    """Write an encoder, or one with a classifier, to `path`, float32, batch and length free.

    Graph: input_ids (batch, length) int64, attention_mask (batch, length) int64 ->
    last_hidden_state (batch, length, hidden), pooler_output (batch, size) and, of a classifier,
    logits (batch, labels).

    Returns:
        The largest difference from PyTorch, over batches of several sizes with padding and [UNK];
        of numbers above 1 as a share of the largest.

    Raises:
        BarcodeMAEError: a package is missing, or the graph differs by more than 1e-4.
    """
    check_packages()
    graph = TensorsAlone(model.float(), OUTPUTS).eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_graph(graph, path)
    return _worst(graph, path)


def _worst(graph: TensorsAlone, path: Path) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    shapes = ((1, 1), (1, graph.config.max_position_embeddings), (5, 37), (3, 16))
    batches = (example_batch(graph.config, *shape) for shape in shapes)
    worst = max(_difference(graph, session, batch) for batch in batches)
    if not worst <= TOLERANCE:
        raise BarcodeMAEError(
            f"the ONNX graph differs from PyTorch by {worst:.1e}, more than {TOLERANCE:.0e}; it is "
            "not written. Try another version of torch or onnxscript."
        )
    return worst


def write_graph_beside(directory: Path) -> float:
    """Write `graph.onnx` beside a model's `model.safetensors`, from which it takes the weights.

    ONNX keeps weights in other files by place and length, and a safetensors file is a header and
    the bare numbers: the graph alone is a hundred kilobytes, and no weights are there twice.
    It gives `pooler_output` (batch, size) of input_ids and attention_mask (batch, length) int64.

    Returns:
        The largest difference from PyTorch, as of `write_onnx`.

    Raises:
        BarcodeMAEError: as `write_onnx`.
    """
    check_packages()
    import onnx

    from barcodemae.loading import family_at, load_whole

    kind = family_at(directory).encoder_class
    model = load_whole(kind, directory, dtype=torch.float32)
    graph = TensorsAlone(model, ("pooler_output",)).eval()
    with tempfile.TemporaryDirectory() as folder:
        write_graph(graph, Path(folder) / BESIDE, optimize=False)  # that keeps the weights' names
        made = onnx.load(Path(folder) / BESIDE)
    _take_from(made, directory / "model.safetensors")
    write_whole(directory / BESIDE, lambda path: path.write_bytes(made.SerializeToString()))
    return _worst(graph, directory / BESIDE)


def _take_from(made, weights: Path) -> None:
    """Let a graph read the weights that a safetensors file holds, as they are held there."""
    from onnx import TensorProto, helper

    kinds = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}
    with weights.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    kept, casts = [], []
    for tensor in made.graph.initializer:
        entry = header.get(tensor.name.removeprefix("encoder."))
        if entry is None:
            kept.append(tensor)
            continue
        stored = TensorProto(
            name=f"{tensor.name}.stored",
            data_type=kinds[entry["dtype"]],
            dims=entry["shape"],
            data_location=TensorProto.EXTERNAL,
        )
        begin, end = entry["data_offsets"]
        place = {"location": weights.name, "offset": 8 + size + begin, "length": end - begin}
        for key, value in place.items():
            stored.external_data.add(key=key, value=str(value))
        kept.append(stored)
        casts.append(helper.make_node("Cast", [stored.name], [tensor.name], to=TensorProto.FLOAT))
    nodes = [*casts, *made.graph.node]
    for node in nodes:
        node.ClearField("metadata_props")  # where in the Python code it comes from
    for field, items in (("initializer", kept), ("node", nodes)):
        made.graph.ClearField(field)
        getattr(made.graph, field).extend(items)
    made.graph.ClearField("value_info")


@torch.no_grad()
def _difference(graph: TensorsAlone, session, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
    expected = [output.numpy() for output in graph(*batch)]
    found = session.run(
        graph.outputs, {name: value.numpy() for name, value in zip(INPUTS, batch, strict=True)}
    )
    if graph.outputs[0] == OUTPUTS[0]:
        is_real = batch[1].bool().numpy()
        # Of the states those of padding mean nothing.
        expected[0], found[0] = expected[0][is_real], found[0][is_real]
    # Logits of a confident classifier are of tens and hundreds, and so is their rounding.
    return max(
        float(np.abs(a - b).max() / max(1, np.abs(a).max()))
        for a, b in zip(expected, found, strict=True)
    )
