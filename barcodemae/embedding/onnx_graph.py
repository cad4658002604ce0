"""The encoder as an ONNX graph: for the Hub, and for int8 on CPUs."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from barcodemae.errors import BarcodeMAEError
from modeling_barcodemae import BarcodeMAEModelOutput

INPUTS = ("input_ids", "attention_mask")


class TensorsAlone(nn.Module):
    """A model with tensors, and nothing else, going in and out.

    Args:
        model: an encoder, or one with a `classifier`, whose `logits` then come last.
        outputs: names of what the encoder returns, in this order.
    """

    def __init__(self, model: PreTrainedModel, outputs: Sequence[str]):
        super().__init__()
        self.encoder = model.base_model
        self.config = model.config
        self.classifier = getattr(model, "classifier", None)
        self.of_encoder = tuple(outputs)
        self.outputs = (*outputs, *(["logits"] if self.classifier is not None else []))

    def forward(self, input_ids, attention_mask):
        encoded = self.encoder(input_ids, attention_mask)
        outputs = tuple(encoded[name] for name in self.of_encoder)
        if self.classifier is not None:
            outputs = (*outputs, self.classifier(encoded.pooler_output))
        return outputs


def check_packages() -> None:
    """Raise BarcodeMAEError where a package is missing that graphs are made with."""
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401  (the exporter of PyTorch needs it)
    except ImportError as error:
        raise BarcodeMAEError(
            f"ONNX needs the package {error.name}: pip install 'barcodemae[onnx]'"
        ) from error


def write_graph(model: TensorsAlone, path: Path, optimize: bool = True) -> None:
    """Write a model's graph, float32, batch and length free.

    Graph: input_ids (batch, length) int64, attention_mask (batch, length) int64 -> its outputs.
    Without `optimize` its weights keep their names in the model.
    """
    longest = model.config.max_position_embeddings
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=longest)}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the exporter's own inner workings
        torch.onnx.export(
            model,
            example_batch(model.config, rows=2, length=16),
            path,
            input_names=INPUTS,
            output_names=model.outputs,
            dynamic_shapes={name: free for name in INPUTS},
            dynamo=True,
            external_data=False,
            optimize=optimize,
            verbose=False,
        )


def example_batch(
    config: PretrainedConfig, rows: int, length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and attention mask (rows, length), the last row padded."""
    generator = torch.Generator().manual_seed(length)
    ids = torch.randint(config.num_kmers + 1, (rows, length), generator=generator)
    attention_mask = torch.ones_like(ids)
    attention_mask[-1, length // 2 + 1 :] = 0
    return ids.masked_fill(attention_mask == 0, config.unk_token_id), attention_mask


class Int8Encoder(nn.Module):
    """An encoder in ONNX Runtime, by dynamic quantization: on a CPU about twice as fast as fp32.

    The weights of matrix products are stored in int8, their inputs are scaled barcode by barcode,
    so that what stands beside a barcode in a batch is without effect; all else stays fp32. No
    calibration data is needed.

    Args:
        model: an encoder in fp32, on the CPU.

    Raises:
        BarcodeMAEError: ONNX Runtime is not installed.
    """

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        check_packages()
        import onnxruntime

        self.config = model.config
        self.outputs = ["pooler_output", *(["cls_state"] if model.config.cls_token else [])]
        graph = _quantized(TensorsAlone(model.eval(), self.outputs))
        # A buffer, so that whoever hashes the weights hashes this.
        self.register_buffer("graph", torch.frombuffer(bytearray(graph), dtype=torch.uint8))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(graph, options, providers=providers)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
    ) -> BarcodeMAEModelOutput:
        """As the encoder, without its states; k-mers have their own positions."""
        if position_ids is not None:
            raise BarcodeMAEError("int8 knows no frames: embed with fp32 or bf16 to align barcodes")
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        given = [tensor.numpy().astype(np.int64) for tensor in (input_ids, mask)]
        # One scale serves all that a call is given, padding among it.
        widths = [int(np.flatnonzero(row).max(initial=0)) + 1 for row in given[1]]
        if self.config.pooling == "sites":  # where each place counts, known or not
            widths = [mask.shape[1]] * len(mask)
        rows = [
            self.session.run(
                self.outputs,
                {name: array[row, None, :width] for name, array in zip(INPUTS, given, strict=True)},
            )
            for row, width in enumerate(widths)
        ]
        found = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*rows, strict=True))
        return BarcodeMAEModelOutput(**dict(zip(self.outputs, found, strict=True)))


def _quantized(encoder: TensorsAlone) -> bytes:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        exact, near = (Path(folder) / name for name in ("fp32.onnx", "int8.onnx"))
        write_graph(encoder, exact)
        graph = onnx.load(exact)
        # The quantizer turns weights, and then trips over shapes that were noted before.
        del graph.graph.value_info[:]
        onnx.save(graph, exact)
        logging.disable(logging.WARNING)  # on what else could be done before
        try:
            products = ["MatMul", "Gemm"]
            quantize_dynamic(
                exact, near, weight_type=QuantType.QInt8, op_types_to_quantize=products
            )
        finally:
            logging.disable(logging.NOTSET)
        return near.read_bytes()
