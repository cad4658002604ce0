"""`read_barcodes`: any source of barcodes as one memory-mapped table in canonical columns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from barcodemae.data import cache
from barcodemae.data.pipeline import sound_tables
from barcodemae.data.preparation import cut
from barcodemae.data.problems import Problems, ReadReport
from barcodemae.data.repeats import Seen
from barcodemae.data.schemas import COLUMNS
from barcodemae.data.sources import Source, resolve
from barcodemae.errors import BarcodeMAEError


def read_barcodes(
    sources: str | Path | Sequence[str | Path],
    *,
    split: str | Sequence[str] | None = None,
    phylum: str | Sequence[str] | None = None,
    min_length: int | None = None,
    prepare: bool = True,
    on_error: str = "raise",
    num_threads: int | None = None,
    cache_dir: str | Path | None = None,
    progress: bool = True,
) -> datasets.Dataset:
    """Read barcodes from files, saved data sets or the Hub.

    `sources`: one or several of: a FASTA, FASTQ, CSV, TSV (each plain or gzipped) or Parquet file,
    told apart by content and columns; a glob; a folder made by `Dataset.save_to_disk`; a Hub id
    `org/name`. The answer has the string columns `COLUMNS` (missing = None) in input order. The id
    of a FASTA record is the first word of its header; a record without any gets `STEM:RECORD`.

    `prepare` does as the authors do over the whole input, before any filter: strip trailing N,
    drop repeated barcodes (the first is kept), cut at 660 nucleotides. Without it the barcodes
    are only upper-cased, freed of white space, and U made T.

    `split`, `phylum`: keep the records with one of these values. `min_length`: keep barcodes of at
    least so many nucleotides, as prepared.

    `on_error`: "raise" stops at the first faulty record; "skip" leaves out what is faulty, and
    `read_report(DATASET)` tells what. `num_threads`: how many check and prepare side by side (by
    default one for each processor, up to four).

    The result is kept in `cache_dir` (by default in the cache of `datasets`), keyed by the files'
    paths, sizes and times and by the options, and is mapped, not loaded, into memory.

    Raises `BarcodeMAEError`: a source that does not exist or cannot be read, a faulty record, a
    filter value that does not occur, no barcode left.
    """
    if on_error not in ("raise", "skip"):
        raise BarcodeMAEError(f'on_error must be "raise" or "skip", not {on_error!r}')
    if num_threads is None:
        num_threads = min(4, os.cpu_count() or 1)
    if num_threads < 1:
        raise BarcodeMAEError(f"num_threads must be at least 1, not {num_threads}")
    root = cache.root(cache_dir)
    found = resolve(sources)
    key = [[[source.key(), source.label] for source in found], prepare, on_error]

    def build(folder: Path) -> None:
        problems = Problems(skip=on_error == "skip")
        _write_all(cache.Writer(folder), found, prepare, problems, num_threads, progress)

    whole = cache.load(cache.entry(root, key, build))
    cache.read_report(whole).log(listed=cache.report_file(whole))
    filters = [_values(split), _values(phylum), min_length]
    if not any(filters):
        return whole
    folder = cache.entry(root, [key, filters], lambda folder: _filter(folder, whole, *filters))
    return cache.load(folder)


def _values(value: str | Sequence[str] | None) -> list[str] | None:
    return [value] if isinstance(value, str) else list(value) if value else None


def _write_all(
    writer: cache.Writer,
    sources: list[Source],
    prepare: bool,
    problems: Problems,
    num_threads: int,
    progress: bool,
) -> None:
    """Write the sound records of all sources, ids unique and, if preparing, barcodes too."""
    report = ReadReport(left_out=problems.left_out)
    ids, barcodes = Seen(), Seen()
    size = sum(source.size for source in sources)
    with tqdm(
        desc="reading", total=size, unit="B", unit_scale=True, delay=2, disable=not progress
    ) as bar:
        for source, table in sound_tables(sources, prepare, problems, num_threads, bar.update):
            table = _unique_ids(table, ids, source, problems)
            if prepare:
                first = pa.array(barcodes.first(table["barcode_hash"].to_numpy()))
                report.repeats += len(table) - pc.sum(first).as_py() if len(table) else 0
                table = table.filter(first)
                at = table.column_names.index("nucleotides")
                table = table.set_column(at, "nucleotides", cut(table["nucleotides"]))
            report.kept += len(table)
            report.gapped += pc.sum(_hold_gaps(table["nucleotides"])).as_py() or 0
            writer.write(table.select(COLUMNS))
    if not report.kept:
        raise BarcodeMAEError(
            f"no barcode left of {', '.join(source.name for source in sources[:3])}: "
            f"{problems.left_out[0].reason}"
        )
    faulty = sum(entry.record is not None for entry in problems.left_out)
    report.records = report.kept + report.repeats + faulty
    writer.close(report)


def _hold_gaps(nucleotides: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.match_substring_regex(nucleotides, r"[-.]")


def _unique_ids(table: pa.Table, ids: Seen, source: Source, problems: Problems) -> pa.Table:
    first = ids.first(table["id_hash"].to_numpy())
    if first.all():
        return table
    repeated = table.filter(pa.array(~first)).select(["record", "processid"]).to_pylist()
    for row in repeated:
        reason = "duplicate id: an earlier record has it; give every record its own"
        problems.add(source.name, row["record"], row["processid"], reason)
    return table.filter(pa.array(first))


def _filter(
    folder: Path,
    whole: datasets.Dataset,
    split: list[str] | None,
    phylum: list[str] | None,
    min_length: int | None,
) -> None:
    """Write the part of a table that passes every filter."""
    for column, values in (("split", split), ("phylum", phylum)):
        _check_present(whole, column, values)
    writer = cache.Writer(folder)
    kept = 0
    for batch in whole.data.table.to_batches():
        passes = pa.array([True] * len(batch))
        if split:
            passes = pc.and_(passes, pc.is_in(batch["split"], pa.array(split)))
        if phylum:
            passes = pc.and_(passes, pc.is_in(batch["phylum"], pa.array(phylum)))
        if min_length:
            long = pc.greater_equal(pc.binary_length(batch["nucleotides"]), min_length)
            passes = pc.and_(passes, long)
        table = pa.Table.from_batches([batch.filter(passes)])
        kept += len(table)
        writer.write(table)
    if not kept:
        raise BarcodeMAEError(
            f"none of {len(whole)} barcodes passes split={split}, phylum={phylum}, "
            f"min_length={min_length} together; relax one of them"
        )
    writer.close(cache.read_report(whole))


def _check_present(whole: datasets.Dataset, column: str, values: list[str] | None) -> None:
    if not values:
        return
    present = [value for value in whole.unique(column) if value is not None]
    for value in values:
        if value not in present:
            offered = ", ".join(sorted(present)) or "none at all: leave the filter out"
            raise BarcodeMAEError(f"no barcode has the {column} {value!r}; present: {offered}")
