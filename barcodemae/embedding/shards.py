"""A folder of Parquet shards for any number of records, processes and machines.

Shard s holds the records s x size to (s + 1) x size of the input, in order, so the names of the
files sort as the input does and `pandas.read_parquet(FOLDER)` reads them as one table. A shard
appears when it is complete, which is all that a resumed run has to know.
"""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import torch
from accelerate import PartialState
from tqdm import tqdm

from barcodemae.data.cache import report_file
from barcodemae.embedding.files import write_embeddings
from barcodemae.encoders.embedder import Embedder
from barcodemae.encoders.pretrained import hash_weights
from barcodemae.errors import BarcodeMAEError
from barcodemae.outputs import held_folder, write_whole_text

MANIFEST = "_embeddings.json"  # readers of Parquet folders pass over names that begin so


def start_processes(device: str = "") -> PartialState:
    """Join the processes that `accelerate launch` has started; alone without it."""
    cpu = device == "cpu" or not torch.cuda.is_available()
    # Processes wait for the slowest one, and for the first one to read the input.
    return PartialState(cpu=cpu, timeout=timedelta(days=2))


def check_alone(output: Path) -> None:
    """Raise BarcodeMAEError if this is one of several processes: they cannot share a file."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise BarcodeMAEError(
            f"{output}: several processes write a folder of Parquet shards; give a name without "
            f"an ending, for example {output.with_suffix('')}"
        )


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
    count = -(-len(barcodes) // shard_size)
    shards = [folder / f"part-{number:05d}-of-{count:05d}.parquet" for number in range(count)]
    identity = _identity(embedder, barcodes, shard_size, settings)
    _check_folder(folder, identity)
    state.wait_for_everyone()
    # One process holds the folder for all.
    with held_folder(folder) if state.is_main_process else nullcontext():
        if state.is_main_process:
            _claim(folder, identity)
        # Nobody writes before everybody has listed what is missing: all share out the same list.
        state.wait_for_everyone()
        _write_missing(shards, embedder, barcodes, state, shard_size, settings)
        state.wait_for_everyone()
    return sum(pq.read_metadata(shard).num_rows for shard in shards)


def _write_missing(
    shards: list[Path],
    embedder: Embedder,
    barcodes: datasets.Dataset,
    state: PartialState,
    shard_size: int,
    settings: dict,
) -> None:
    """Write this process's share of the shards that are not there yet."""
    missing = [number for number, shard in enumerate(shards) if not shard.exists()]
    state.wait_for_everyone()
    done = len(barcodes) - sum(len(_rows(barcodes, n, shard_size)) for n in missing)
    with tqdm(
        desc="embedding",
        total=-(-len(barcodes) // state.num_processes),
        initial=done // state.num_processes,
        unit="barcode",
        delay=2,
        disable=not state.is_main_process,
    ) as bar:
        for number in missing[state.process_index :: state.num_processes]:
            rows = barcodes.select(_rows(barcodes, number, shard_size))
            write_embeddings(shards[number], embedder, rows, bar=bar, **settings)


def _rows(barcodes: datasets.Dataset, number: int, shard_size: int) -> range:
    return range(number * shard_size, min((number + 1) * shard_size, len(barcodes)))


def _identity(
    embedder: Embedder, barcodes: datasets.Dataset, shard_size: int, settings: dict
) -> dict:
    """All that the embeddings depend on."""
    return {
        "records": len(barcodes),
        # The folder of a cached table is named by the sources it was made from.
        "input": report_file(barcodes).parent.name if report_file(barcodes) else None,
        "weights": hash_weights(embedder.model),
        "shard_size": shard_size,
        "offset": settings.get("offset", 0),
    }


def _check_folder(folder: Path, identity: dict) -> None:
    """Refuse the folder of others."""
    path = folder / MANIFEST
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [name for name, value in identity.items() if before.get(name) != value]
        if changed:
            raise BarcodeMAEError(
                f"{folder}: holds embeddings made otherwise (these differ: {', '.join(changed)}). "
                "Give another folder, or the same input, model and options to complete them."
            )
    elif folder.exists() and not folder.is_dir():
        raise BarcodeMAEError(f"{folder}: is a file; give the name of a folder")
    elif folder.is_dir() and any(folder.iterdir()):
        raise BarcodeMAEError(f"{folder}: holds other files; give a new or an empty folder")


def _claim(folder: Path, identity: dict) -> None:
    """Note in `folder`, which is held, what its embeddings are made from."""
    for torn in folder.glob(".*.tmp"):
        torn.unlink()
    write_whole_text(folder / MANIFEST, json.dumps(identity, indent=1) + "\n")
