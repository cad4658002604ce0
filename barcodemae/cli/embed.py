"""`barcodemae embed`: barcodes -> a file of embeddings, or a folder of them."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from barcodemae.cli import options

_SAMPLE = 512  # barcodes to measure a reduced precision on


_Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", help="File to write: .parquet, .npz or .csv. No ending: a folder."
    ),
]
_Model = Annotated[
    str,
    typer.Option(
        help="Checkpoint directory, Hub id or onnx:DIRECTORY; default: the model shipped here."
    ),
]
_Offset = Annotated[
    int, typer.Option(min=0, help="Nucleotides to drop from the front of each barcode.")
]
_Precision = Annotated[
    str,
    typer.Option(
        help="fp32, bf16 or int8 (CPU). How many nearest neighbours stay is measured and said."
    ),
]
_ShardSize = Annotated[int, typer.Option(min=1, help="Records in a shard of a folder.")]


def embed(
    queries: options.Barcodes,
    output: _Output,
    model: _Model = "",
    batch_size: options.BatchSize = 64,
    offset: _Offset = 0,
    device: options.Device = "",
    precision: _Precision = "fp32",
    shard_size: _ShardSize = 65536,
    degap: options.Degap = False,
    on_error: options.OnError = "raise",
) -> None:
    """Embed barcodes: one row for each record, its id and its vector.

    Parquet holds the columns `id` and `embedding` (a list), .npz the arrays `ids` and
    `embeddings` (n, hidden size), .csv a column for each dimension.

    A folder gets Parquet shards, in the order of the input. The same command, given again, goes
    on where it was killed; `accelerate launch -m barcodemae embed ...` shares the work out over
    processes and machines.
    """
    from barcodemae.data import read_barcodes
    from barcodemae.embedding.vector_files import check_format, write_embeddings
    from barcodemae.outputs import is_stream, report
    from barcodemae.shard_folders import check_alone

    state, where = None, None
    one_file = bool(output.suffix) or is_stream(output)
    if one_file:
        check_format(output, queries)
        check_alone(output)
    by_onnx = _by_onnx(model, one_file and not device and precision == "fp32")
    if by_onnx:
        _refuse_for_onnx(output if not one_file else None, device, precision)
    else:
        state, where = _place(one_file, device)
    is_first = state is None or state.is_main_process
    barcodes = read_barcodes(
        queries, prepare=False, degap=degap, on_error=on_error, progress=is_first
    )
    told = barcodes if is_first else None
    beside = sys.stderr if is_stream(output) else sys.stdout
    embedder = _onnx(model) if by_onnx else _load(model, where, precision, told, beside)
    _check_offset(embedder, offset)
    _tell_of_long(output, embedder, told)
    sources = ", ".join(queries) if on_error == "raise" else ""
    settings: dict[str, Any] = {"batch_size": batch_size, "offset": offset, "sources": sources}
    if state is None:
        written = write_embeddings(output, embedder, barcodes, **settings)
    else:
        from barcodemae.embedding.shards import write_shards

        written = write_shards(output, embedder, barcodes, state, shard_size, **settings)
    if is_first:
        how = ", by ONNX Runtime" if by_onnx else ""
        report(output, f"{written} embeddings of {embedder.dim} dimensions{how}")


def _by_onnx(model: str, is_plain: bool) -> bool:
    """Whether ONNX Runtime is asked for, or is all there is, or will do what PyTorch would.

    On a CPU it gives the same to 1e-6, nearly twice as fast, and starts at once.
    """
    from barcodemae.encoders import has_onnx, has_torch, may_have_gpu

    if model.startswith("onnx:") or not has_torch():
        return True
    return is_plain and not model and has_onnx() and not may_have_gpu()


def _refuse_for_onnx(folder: Path | None, device: str, precision: str) -> None:
    """ONNX Runtime writes one file, on the CPU and in fp32."""
    from barcodemae.errors import BarcodeMAEError

    for asked, option in (
        (folder is not None, f"-o {folder} (a folder)"),
        (device not in ("", "cpu"), f"--device {device}"),
        (precision != "fp32", f"--precision {precision}"),
    ):
        if asked:
            raise BarcodeMAEError(
                f"{option} needs PyTorch: install barcodemae whole, or write one file "
                "(.parquet, .npz, .csv) in fp32 on the CPU"
            )


def _place(one_file: bool, device: str):
    """The processes that share a folder out, None for a file; and what PyTorch computes on."""
    from barcodemae.embedding.shards import start_processes
    from barcodemae.encoders.embedder import usable_device

    state = None if one_file else start_processes(device)
    return state, usable_device(device or (state and state.device))


def _onnx(model: str):
    from barcodemae.encoders.onnx import OnnxEmbedder
    from barcodemae.encoders.shipped_models import shipped_model

    return OnnxEmbedder(model.removeprefix("onnx:") or shipped_model())


def _load(model: str, device, precision: str, barcodes, to):
    """The encoder; where it computes in fewer bits, tell `to` what that does to `barcodes`."""
    from barcodemae.embedding.precision import at_precision
    from barcodemae.encoders.embedder import Embedder
    from barcodemae.encoders.shipped_models import shipped_model
    from barcodemae.identification.neighbours import neighbour_agreement

    full = Embedder.from_pretrained(model or shipped_model(), device)
    if precision == "fp32":
        return full
    reduced = at_precision(full, precision)
    if barcodes is not None and len(barcodes) > 1:
        rows = range(0, len(barcodes), -(-len(barcodes) // _SAMPLE))
        sequences = barcodes.select(rows)["nucleotides"][:]
        exact, seconds = _timed(full, sequences)
        near, reduced_seconds = _timed(reduced, sequences)
        print(
            f"{precision}: {seconds / reduced_seconds:.1f} times as fast as fp32 here; "
            f"{neighbour_agreement(exact, near):.1%} of {len(sequences) // 2} barcodes keep their "
            f"nearest neighbour of fp32 among {len(sequences) - len(sequences) // 2} others",
            file=to,
        )
    return reduced


def _check_offset(embedder, offset: int) -> None:
    from barcodemae.errors import BarcodeMAEError

    if offset and embedder.grid is not None:
        raise BarcodeMAEError(
            f"--offset {offset}: the model finds the barcode on its grid, so that nothing is "
            "dropped. Leave --offset out"
        )


def _tell_of_long(output: Path, embedder, barcodes) -> None:
    """Say which part of records longer than a barcode is embedded."""
    import pyarrow.compute as pc

    from barcodemae.outputs import report

    longest = embedder.longest
    if longest is None or barcodes is None:
        return
    lengths = pc.utf8_length(barcodes.data.column("nucleotides"))
    count = pc.sum(pc.greater(lengths, longest)).as_py() or 0
    if not count:
        return
    part = f"only the first {longest} of each are embedded; the shipped model finds the barcode"
    if embedder.grid is not None:
        part = "what lies on the grid of the barcode region is embedded of each"
    records = f"{count:,} of {len(barcodes):,} records are longer than {longest} nucleotides"
    report(output, f"{records}: {part}")


def _timed(embedder, sequences: list[str]):
    """Embeddings (n, dim) and the seconds that they took."""
    start = time.perf_counter()
    embeddings = embedder.embed(sequences)
    return embeddings, time.perf_counter() - start
