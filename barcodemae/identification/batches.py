"""`identify` on files: the library opened or built, queries read, answered piece by piece."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
from tqdm import tqdm

from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.answers import RANKS, Answers, concatenate
from barcodemae.identification.confidence import TARGET
from barcodemae.identification.library import CARD, Library
from barcodemae.identification.verdicts import MIN_OVERLAP, identify
from barcodemae.outputs import write_whole
from barcodemae.shard_folders import check_folder, claim, shards_of

if TYPE_CHECKING:
    from barcodemae.data.cache import Kept

MANIFEST = "_identify.json"
# Queries answered at a time, or half as many more; fewer among many references, for each 256 of
# which a bound is held.
_FEWEST, _MOST, _PAIRS = 512, 8192, 1 << 30


@dataclass(frozen=True)
class Settings:
    """Options of `verdicts.identify`; `tags` names the directory of its tagger, "" for none."""

    target: float = TARGET
    min_overlap: int = MIN_OVERLAP
    tags: str = ""


@dataclass(frozen=True)
class Wanted:
    """Which library: a folder, or files from which one is built and kept in the cache."""

    library: Path | None
    reference: tuple[str, ...] = ()
    model: str = ""
    inference: str = ""
    taxonomy: tuple[str, ...] = ()
    split: tuple[str, ...] = ()
    on_error: str = "raise"
    remote_code: str = "none"
    open_names: bool = False
    device: str | None = None
    batch_size: int = 64
    approximate: bool = False


def open_library(wanted: Wanted) -> Library:
    """Open the library, building it first where files are given and it is not in the cache.

    Raises:
        BarcodeMAEError: neither or both are given, or as `Library` and `building.build`.
    """
    if (wanted.library is None) == (not wanted.reference):
        raise BarcodeMAEError(
            "give either --library LIB (see `barcodemae library build`) or --reference FILE"
        )
    folder = wanted.library or _kept(wanted)
    options = wanted.open_names, wanted.device, wanted.batch_size, wanted.remote_code
    if wanted.approximate and wanted.library is None:
        raise BarcodeMAEError(
            "--approximate needs a library with an index: barcodemae library build, then index"
        )
    if wanted.library is not None:
        if wanted.model and wanted.model != Library(folder).card["encoder"]:
            raise BarcodeMAEError(
                f"--model {wanted.model}: {folder} was built with "
                f"{Library(folder).card['encoder']}; leave --model out, or build another library"
            )
        return Library(folder, *options, wanted.approximate)
    if (folder / CARD).exists():
        opened = Library(folder, *options)
        try:
            if opened.encoder:
                return opened
        except BarcodeMAEError:
            pass  # a directory's weights have changed since: built again below
    _build(wanted, folder)
    return Library(folder, *options)


def _kept(wanted: Wanted) -> Path:
    """The folder in the cache for what is wanted, by the paths, sizes and times of its files."""
    from barcodemae import __version__
    from barcodemae.data import cache
    from barcodemae.data.sources import resolve

    given = (wanted.reference, wanted.taxonomy)
    files = [[[s.key(), s.label] for s in resolve(list(names))] if names else [] for names in given]
    options = asdict(wanted)
    for name in ("library", "reference", "open_names", "device", "batch_size", "approximate"):
        del options[name]
    key = json.dumps([__version__, files, options], sort_keys=True, default=str)
    name = hashlib.sha256(key.encode()).hexdigest()[:24]
    folder = cache.root(None) / "libraries" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def _build(wanted: Wanted, folder: Path) -> None:
    from barcodemae.data.references import read_references
    from barcodemae.identification import building
    from barcodemae.identification.library_card import warnings

    found = read_references(
        list(wanted.reference),
        list(wanted.taxonomy) or None,
        split=list(wanted.split) or None,
        on_error=wanted.on_error,
    )
    name = Path(wanted.reference[0]).name
    card = building.build(
        found,
        folder,
        wanted.model,
        wanted.inference,
        name,
        wanted.device,
        wanted.batch_size,
        wanted.remote_code,
    )
    for line in warnings(card):
        print(line)


def read_queries(queries: Sequence[str], on_error: str = "raise") -> Kept:
    """The queries as they stand in their files, with the columns processid and nucleotides."""
    from barcodemae.data.reading import read_as_they_stand

    return read_as_they_stand(queries, on_error)


def answer(library: Library, barcodes: Kept, settings: Settings, progress: bool = True) -> Answers:
    """Answer all queries, with a bar from the first second on."""
    with _bar(len(barcodes), progress) as bar:
        parts = list(_answers(library, barcodes.table, settings, bar))
    return concatenate(parts)


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers with four decimals, as text; "" where missing."""
    floats = table.select_dtypes("floating").columns
    return table.assign(
        **{
            name: ["" if pd.isna(value) else f"{value:.4f}" for value in table[name]]
            for name in floats
        }
    )


def write_shards(
    folder: Path,
    library: Library,
    barcodes: Kept,
    settings: Settings,
    shard_size: int,
    progress: bool = True,
) -> int:
    """Answer into a folder of Parquet shards, each process its share; rows of all.

    A run that was stopped goes on where it was, whatever the number of processes.

    Raises:
        BarcodeMAEError: the folder holds other files, or answers to something else.
    """
    rank, world = (int(os.environ.get(name, least)) for name, least in _PROCESSES)
    identity = _identity(library, barcodes, settings, shard_size)
    made = "answers to something else", "the same input, library and options"
    check_folder(folder, MANIFEST, identity, *made)
    claim(folder, MANIFEST, identity)  # every process writes the same
    with _bar(-(-len(barcodes) // world), progress and rank == 0) as bar:
        for shard, rows in shards_of(folder, len(barcodes), shard_size)[rank::world]:
            if shard.exists():
                bar.update(len(rows))
                continue
            some = barcodes.table.slice(rows.start, len(rows))
            part = concatenate(list(_answers(library, some, settings, bar)))
            write_whole(shard, partial(part.table.to_parquet, index=False))
    return len(barcodes)


_PROCESSES = (("RANK", 0), ("WORLD_SIZE", 1))  # as `accelerate launch` and torchrun set them


def _answers(library, barcodes: pa.Table, settings: Settings, bar) -> Iterator[Answers]:
    tagger = _tagger(settings.tags) if settings.tags else None
    seen: dict[bytes, str] = {}
    most = min(max(_PAIRS // len(library), _FEWEST), _MOST)
    size = -(-len(barcodes) // max(round(len(barcodes) / most), 1))  # no small one at the end
    for start in range(0, len(barcodes), size):
        ids, texts = (
            barcodes[name].slice(start, size).to_pylist() for name in ("processid", "nucleotides")
        )
        yield identify(
            library,
            ids,
            texts,
            settings.target,
            settings.min_overlap,
            tagger,
            seen,
        )
        bar.update(len(ids))


@cache
def _tagger(directory: str):
    from barcodemae.checking.tagging import Tagger  # imports torch

    return Tagger(directory)


def _bar(total: int, shown: bool) -> tqdm:
    return tqdm(desc="identifying", total=total, unit="barcode", disable=not shown, file=sys.stderr)


def _identity(library: Library, barcodes: Kept, settings: Settings, shard_size: int) -> dict:
    return {
        "library": library.card["hashes"],
        "approximate": library.approximate,
        "open_names": library.open_names,
        "input": barcodes.folder.name,
        "records": len(barcodes),
        "shard_size": shard_size,
        **asdict(settings),
    }


def check_ranks(ranks: Sequence[str]) -> None:
    """Raise BarcodeMAEError where a rank is none of `RANKS`."""
    for rank in ranks:
        if rank not in RANKS:
            raise BarcodeMAEError(f"{rank}: no such rank; ranks: {', '.join(RANKS)}")
