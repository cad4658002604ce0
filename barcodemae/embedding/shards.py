"""Embeddings in a folder of Parquet shards, for any number of records, processes, machines."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import torch
from accelerate import PartialState
from tqdm import tqdm

from barcodemae.data.cache import report_file
from barcodemae.embedding.vector_files import write_embeddings
from barcodemae.encoders.embedder import Embedder
from barcodemae.encoders.pretrained import hash_embedder
from barcodemae.outputs import held_folder
from barcodemae.shard_folders import check_folder, claim, shards_of

MANIFEST = "_embeddings.json"


def start_processes(device: str = "") -> PartialState:
    """Join the processes that `accelerate launch` has started; alone without it."""
    cpu = device == "cpu" or not torch.cuda.is_available()
    # Processes wait for the slowest one, and for the first one to read the input.
    return PartialState(cpu=cpu, timeout=timedelta(days=2))


def write_shards(
    folder: Path,
    embedder: Embedder,
    barcodes: datasets.Dataset,
    state: PartialState,
    shard_size: int = 65_536,
    **settings,
) -> int:
    """Embed `barcodes` into `folder`, each process of `state` its share; the rows written in all.

    Shards that an earlier, interrupted call has completed are kept, whatever the number of
    processes was. Several machines need a folder that all of them see. `settings` are those of
    `write_embeddings`.

    Raises:
        BarcodeMAEError: the folder holds other files, or embeddings of other barcodes or made
            otherwise; or as `write_embeddings`.
    """
    shards = shards_of(folder, len(barcodes), shard_size)
    identity = _identity(embedder, barcodes, shard_size, settings)
    same = "the same input, model and options"
    check_folder(folder, MANIFEST, identity, "embeddings made otherwise", same)
    state.wait_for_everyone()
    # One process holds the folder for all.
    with held_folder(folder) if state.is_main_process else nullcontext():
        if state.is_main_process:
            for torn in folder.glob(".*.tmp"):
                torn.unlink()
            claim(folder, MANIFEST, identity)
        # Nobody writes before everybody has listed what is missing: all share out the same list.
        state.wait_for_everyone()
        _write_missing(shards, embedder, barcodes, state, settings)
        state.wait_for_everyone()
    return sum(pq.read_metadata(shard).num_rows for shard, _ in shards)


def _write_missing(
    shards: list[tuple[Path, range]],
    embedder: Embedder,
    barcodes: datasets.Dataset,
    state: PartialState,
    settings: dict,
) -> None:
    """Write this process's share of the shards that are not there yet."""
    missing = [(shard, rows) for shard, rows in shards if not shard.exists()]
    state.wait_for_everyone()
    with tqdm(
        desc="embedding",
        total=-(-len(barcodes) // state.num_processes),
        initial=(len(barcodes) - sum(len(rows) for _, rows in missing)) // state.num_processes,
        unit="barcode",
        delay=2,
        disable=not state.is_main_process,
    ) as bar:
        for shard, rows in missing[state.process_index :: state.num_processes]:
            write_embeddings(shard, embedder, barcodes.select(rows), bar=bar, **settings)


def _identity(embedder: Embedder, barcodes: datasets.Dataset, size: int, settings: dict) -> dict:
    """All that the embeddings depend on."""
    return {
        "records": len(barcodes),
        # The folder of a cached table is named by the sources it was made from.
        "input": report_file(barcodes).parent.name if report_file(barcodes) else None,
        "weights": hash_embedder(embedder),
        "shard_size": size,
        "offset": settings.get("offset", 0),
    }
