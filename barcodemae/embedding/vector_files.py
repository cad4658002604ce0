"""Files of embeddings: Parquet, .npz and .csv, written whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from barcodemae.errors import BarcodeMAEError
from barcodemae.outputs import check_output, is_stream, whole_file

if TYPE_CHECKING:
    from barcodemae.encoders.embedder import Embedder
    from barcodemae.encoders.onnx import OnnxEmbedder

logger = logging.getLogger(__name__)

# ids (n,), embeddings (n, dim)
Part = tuple[list[str], np.ndarray]
_MOST_ID_BYTES = 1 << 30
_PIECE = 4096  # barcodes embedded and held at a time


def check_format(output: Path, inputs: Sequence[str] = ()) -> None:
    """Raise BarcodeMAEError unless embeddings of `inputs` can be written to `output`.

    What has no ending, standard output (`-`) or a device, gets CSV.
    """
    if _ending(output) not in _WRITERS:
        raise BarcodeMAEError(
            f"{output}: embeddings are written as {', '.join(_WRITERS)}; give the file such an end"
        )
    check_output(output, inputs)


def _ending(output: Path) -> str:
    return ".csv" if not output.suffix and is_stream(output) else output.suffix


def write_embeddings(
    output: Path,
    embedder: Embedder | OnnxEmbedder,
    barcodes: datasets.Dataset,
    batch_size: int = 64,
    offset: int = 0,
    piece: int = _PIECE,
    bar: tqdm | None = None,
    sources: str = "",
) -> int:
    """Embed `barcodes` into the file `output`; the number of rows written.

    Each barcode is read once. One that has nothing to embed, no k-mer of ACGT alone, is left out
    and named in a warning; where `sources` say what the barcodes were read from, it ends the work
    instead, is named with them, and `output` stays as it was. Reverse complements that a grid has
    turned are counted in a warning. Memory does not grow with the number of barcodes, but for
    .npz. `bar` is the progress bar of something larger that this is a part of.

    Raises:
        BarcodeMAEError: `output` cannot be written, has an unknown ending, or cannot hold the ids;
            or, with `sources`, a barcode has no embedding.
    """
    check_format(output)
    if output.suffix == ".npz":
        _check_ids(output, barcodes)
    with whole_file(output) as temporary, _shown(bar, len(barcodes)) as bar:
        parts = _embed_parts(embedder, barcodes, batch_size, offset, piece, bar, sources)
        return _WRITERS[_ending(output)](temporary, embedder.dim, parts)


def _check_ids(output: Path, barcodes: datasets.Dataset) -> None:
    """Raise BarcodeMAEError if ids as wide as the longest, as NumPy keeps them, take too much."""
    longest = pc.max(pc.utf8_length(barcodes.data.column("processid"))).as_py() or 0
    size = 4 * longest * len(barcodes)
    if size > _MOST_ID_BYTES:
        raise BarcodeMAEError(
            f"{output}: .npz keeps every id as wide as the longest, which has {longest:,} letters: "
            f"{size / 2**30:.1f} GiB in all. Shorten the ids, or write .parquet."
        )


def _shown(bar: tqdm | None, total: int) -> AbstractContextManager[tqdm]:
    if bar is not None:
        return nullcontext(bar)
    return tqdm(total=total, unit="barcode", delay=2, desc="embedding")


def _embed_parts(
    embedder: Embedder | OnnxEmbedder,
    barcodes: datasets.Dataset,
    batch_size: int,
    offset: int,
    piece: int,
    bar: tqdm,
    sources: str,
) -> Iterator[Part]:
    left_out, turned_before = [], embedder.turned
    for rows in barcodes.select_columns(["processid", "nucleotides"]).iter(piece):
        ids, sequences = rows["processid"], rows["nucleotides"]
        bar.update(len(ids))
        embeddings = embedder.embed(sequences, batch_size, offset)
        sound = embeddings.any(axis=1)  # without a real k-mer it is 0
        if not sound.all():
            if sources:
                record = f"{sources}: record {ids[np.flatnonzero(~sound)[0]]}"
                raise BarcodeMAEError(
                    f"{record}: {_why_nothing(embedder, offset)}, so it has no embedding. Take it "
                    "out, or leave such records out with --on-error skip."
                )
            left_out += [ids[row] for row in np.flatnonzero(~sound)]
            ids = [ids[row] for row in np.flatnonzero(sound)]
            embeddings = embeddings[sound]
        yield ids, embeddings
    if turned := embedder.turned - turned_before:
        logger.warning("turned %s: reverse complements", _records(turned))
    if left_out:
        shown = ", ".join(left_out[:10]) + (", ..." if len(left_out) > 10 else "")
        why = _why_nothing(embedder, offset)
        logger.warning("left out %s: %s: %s", _records(len(left_out)), shown, why)


def _records(number: int) -> str:
    return "1 record" if number == 1 else f"{number:,} records"


def _why_nothing(embedder: Embedder | OnnxEmbedder, offset: int) -> str:
    """Why a record has no embedding."""
    if embedder.grid is not None:
        return "fits nowhere on the model's grid (too short, or another gene)"
    after = f" after the {offset} that --offset drops" if offset else ""
    where = f" in the first {embedder.longest} nucleotides" if embedder.longest else ""
    return f"no {embedder.kmer_size}-mer of A, C, G and T alone{where}{after}"


def _write_parquet(path: Path, dim: int, parts: Iterator[Part]) -> int:
    schema = pa.schema({"id": pa.string(), "embedding": pa.list_(pa.float32(), dim)})
    written = 0
    with pq.ParquetWriter(path, schema) as writer:
        for ids, embeddings in parts:
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(embeddings.ravel()), dim)
            writer.write(pa.table([pa.array(ids, pa.string()), vectors], schema=schema))
            written += len(ids)
    return written


def _write_csv(path: Path, dim: int, parts: Iterator[Part]) -> int:
    columns = [f"e{dimension}" for dimension in range(dim)]
    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(["id", *columns]) + "\n")
        for ids, embeddings in parts:
            table = pd.DataFrame(embeddings, columns=columns)
            table.insert(0, "id", ids)
            table.to_csv(file, index=False, header=False, float_format="%.9g")
            written += len(ids)
    return written


def _write_npz(path: Path, dim: int, parts: Iterator[Part]) -> int:
    ids, embeddings = [], [np.zeros((0, dim), dtype=np.float32)]
    for part_ids, part_embeddings in parts:
        ids += part_ids
        embeddings.append(part_embeddings)
    with path.open("wb") as file:
        np.savez(file, ids=np.array(ids, dtype=str), embeddings=np.concatenate(embeddings))
    return len(ids)


_WRITERS: dict[str, Callable[[Path, int, Iterator[Part]], int]] = {
    ".parquet": _write_parquet,
    ".npz": _write_npz,
    ".csv": _write_csv,
}
