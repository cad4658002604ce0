"""Files of embeddings: Parquet, .npz and .csv, written whole or not at all."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from barcodemae.data.kmers import kmer_ids
from barcodemae.embedding import Embedder
from barcodemae.errors import BarcodeMAEError

logger = logging.getLogger(__name__)

# ids (n,), embeddings (n, dim)
Part = tuple[list[str], np.ndarray]


def check_format(output: Path) -> None:
    """Raise BarcodeMAEError unless `output` can be written, before an hour of work."""
    if output.suffix not in _WRITERS:
        raise BarcodeMAEError(
            f"{output}: embeddings are written as {', '.join(_WRITERS)}; give the file such an end"
        )
    if output.is_dir():
        raise BarcodeMAEError(f"{output}: is a folder; give the name of a file")
    if not output.absolute().parent.is_dir():
        raise BarcodeMAEError(f"{output}: there is no folder {output.absolute().parent}")


def write_embeddings(
    output: Path,
    embedder: Embedder,
    barcodes: datasets.Dataset,
    batch_size: int = 64,
    offset: int = 0,
    on_error: str = "raise",
    piece: int = 4096,
    bar: tqdm | None = None,
) -> int:
    """Embed `barcodes` into the file `output`; the number of rows written.

    Memory does not grow with the number of barcodes, but for .npz. Trailing N is stripped, as it
    is in pretraining. `bar` is the progress bar of something larger that this is a part of.

    Raises:
        BarcodeMAEError: a barcode has no k-mer of ACGT alone (unless `on_error` is "skip": it is
            left out then), or `output` has an unknown ending.
    """
    check_format(output)
    # Hidden, so that who reads a folder of shards meets none that is not complete.
    temporary = output.with_name(f".{output.name}.tmp")
    try:
        with nullcontext(bar) if bar is not None else _bar(len(barcodes)) as bar:
            parts = _embed_parts(embedder, barcodes, batch_size, offset, on_error, piece, bar)
            written = _WRITERS[output.suffix](temporary, embedder.dim, parts)
        os.replace(temporary, output)
    finally:
        temporary.unlink(missing_ok=True)
    return written


def _bar(total: int) -> tqdm:
    return tqdm(total=total, unit="barcode", delay=2, desc="embedding")


def _embed_parts(
    embedder: Embedder,
    barcodes: datasets.Dataset,
    batch_size: int,
    offset: int,
    on_error: str,
    piece: int,
    bar: tqdm,
) -> Iterator[Part]:
    left_out = []
    for rows in barcodes.select_columns(["processid", "nucleotides"]).iter(piece):
        ids = rows["processid"]
        sequences = [sequence.rstrip("N") for sequence in rows["nucleotides"]]
        tokens, _ = kmer_ids(sequences, embedder.kmer_size, offset)
        sound = (tokens < 4**embedder.kmer_size).any(axis=1)
        bar.update(len(ids))
        if not sound.all():
            empty = [id_ for id_, is_sound in zip(ids, sound, strict=True) if not is_sound]
            if on_error == "raise":
                raise BarcodeMAEError(
                    f"record {empty[0]}: no {embedder.kmer_size}-mer of A, C, G and T alone, so "
                    "it has no embedding. Take it out, or leave such records out with "
                    "--on-error skip."
                )
            left_out += empty
            ids = [id_ for id_, is_sound in zip(ids, sound, strict=True) if is_sound]
            sequences = [s for s, is_sound in zip(sequences, sound, strict=True) if is_sound]
        yield ids, embedder.embed(sequences, batch_size, offset)
    if left_out:
        logger.warning(
            "left out %d records without a k-mer: %s", len(left_out), ", ".join(left_out[:10])
        )


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
        for ids, embeddings in parts:
            table = pd.DataFrame(embeddings, columns=columns)
            table.insert(0, "id", ids)
            table.to_csv(file, index=False, header=written == 0, float_format="%.9g")
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
