"""`barcodemae embed`: barcodes -> a file of embeddings, or a folder of them."""

import sys
import time
from pathlib import Path
from typing import Annotated

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
    from barcodemae.embedding.files import check_format, write_embeddings
    from barcodemae.outputs import is_stream, report
    from barcodemae.shard_folders import check_alone

    one_file = bool(output.suffix) or is_stream(output)
    if one_file:
        check_format(output, queries)
        check_alone(output)
    if _by_onnx(model, one_file and not device and precision == "fp32"):
        _embed_by_onnx(
            queries, output, one_file, model, batch_size, offset, device, precision, degap, on_error
        )
        return
    from barcodemae.embedding.shards import start_processes, write_shards
    from barcodemae.encoders.embedder import usable_device
    from barcodemae.encoders.shipped import shipped_model

    model = model or shipped_model()
    sources = ", ".join(queries) if on_error == "raise" else ""
    settings = {"batch_size": batch_size, "offset": offset, "sources": sources}
    state = None if one_file else start_processes(device)
    is_first = state is None or state.is_main_process
    where = usable_device(device or (state and state.device))
    barcodes = read_barcodes(
        queries, prepare=False, degap=degap, on_error=on_error, progress=is_first
    )
    told = barcodes if is_first else None
    beside = sys.stderr if is_stream(output) else sys.stdout
    embedder = _load(model, where, precision, told, beside)
    _check_offset(embedder, offset)
    _tell_of_long(output, embedder, told)
    if state is None:
        written = write_embeddings(output, embedder, barcodes, **settings)
    else:
        written = write_shards(output, embedder, barcodes, state, shard_size, **settings)
    if is_first:
        report(output, f"{written} embeddings of {embedder.dim} dimensions")


def _by_onnx(model: str, is_plain: bool) -> bool:
    """Whether ONNX Runtime is asked for, or is all there is, or will do what PyTorch would.

    On a CPU it gives the same to 1e-6, nearly twice as fast, and starts at once.
    """
    from barcodemae.encoders import has_onnx, has_torch, may_have_gpu

    if model.startswith("onnx:") or not has_torch():
        return True
    return is_plain and not model and has_onnx() and not may_have_gpu()


def _embed_by_onnx(
    queries: list[str],
    output: Path,
    one_file: bool,
    model: str,
    batch_size: int,
    offset: int,
    device: str,
    precision: str,
    degap: bool,
    on_error: str,
) -> None:
    """Into one file, on the CPU, by the ONNX graph of a model."""
    from barcodemae.data import read_barcodes
    from barcodemae.embedding.files import write_embeddings
    from barcodemae.encoders.onnx import OnnxEmbedder
    from barcodemae.encoders.shipped import shipped_model
    from barcodemae.errors import BarcodeMAEError
    from barcodemae.outputs import report

    for asked, option in (
        (not one_file, f"-o {output} (a folder)"),
        (device not in ("", "cpu"), f"--device {device}"),
        (precision != "fp32", f"--precision {precision}"),
    ):
        if asked:
            raise BarcodeMAEError(
                f"{option} needs PyTorch: install barcodemae whole, or write one file "
                "(.parquet, .npz, .csv) in fp32 on the CPU"
            )
    embedder = OnnxEmbedder(model.removeprefix("onnx:") or shipped_model())
    _check_offset(embedder, offset)
    barcodes = read_barcodes(queries, prepare=False, degap=degap, on_error=on_error)
    _tell_of_long(output, embedder, barcodes)
    sources = ", ".join(queries) if on_error == "raise" else ""
    written = write_embeddings(output, embedder, barcodes, batch_size, offset, sources=sources)
    report(output, f"{written} embeddings of {embedder.dim} dimensions, by ONNX Runtime")


def _load(model: str, device, precision: str, barcodes, to):
    """The encoder; where it computes in fewer bits, tell `to` what that does to `barcodes`."""
    from barcodemae.embedding.precision import at_precision
    from barcodemae.encoders.embedder import Embedder
    from barcodemae.identification.neighbours import neighbour_agreement

    full = Embedder.from_pretrained(model, device)
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
