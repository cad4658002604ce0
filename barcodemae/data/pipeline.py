"""Sources to sound, standardised tables, in one process or with several files side by side."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa

from barcodemae.data.preparation import standardise, strip_unknown_end
from barcodemae.data.problems import LeftOut, Problems
from barcodemae.data.repeats import hash_values
from barcodemae.data.sources import Source


def sound_tables(
    sources: list[Source],
    prepare: bool,
    problems: Problems,
    num_proc: int,
    advance: Callable[[int], None],
) -> Iterator[tuple[Source, pa.Table]]:
    """Tables of canonical columns plus `record`, `id_hash` and `barcode_hash`, in input order.

    With `prepare` the barcodes have lost their trailing N. `advance` is told the bytes gone
    through. With `num_proc` > 1 every process parses whole files into temporary Arrow files.
    """
    if num_proc == 1 or len(sources) == 1:
        for source in sources:
            for table in _sound(source, prepare, problems, advance):
                yield source, table
        return
    # Spawned, not forked: Arrow and torch run threads, which a fork does not survive.
    context = get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="barcodes-") as folder,
        ProcessPoolExecutor(min(num_proc, len(sources)), mp_context=context) as pool,
    ):
        shards = [Path(folder) / f"{index}.arrow" for index in range(len(sources))]
        parse = partial(_to_shard, prepare=prepare, skip=problems.skip)
        results = pool.map(parse, sources, shards)
        for source, shard, left_out in zip(sources, shards, results, strict=True):
            problems.left_out += left_out
            if shard.exists():
                with pa.OSFile(str(shard)) as file, pa.ipc.open_stream(file) as stream:
                    for batch in stream:
                        yield source, pa.Table.from_batches([batch])
                shard.unlink()
            advance(source.size)


def _sound(
    source: Source, prepare: bool, problems: Problems, advance: Callable[[int], None]
) -> Iterator[pa.Table]:
    for raw in source.tables(problems, advance):
        table = standardise(raw, source.name, problems)
        if prepare:
            at = table.column_names.index("nucleotides")
            stripped = strip_unknown_end(table["nucleotides"])
            table = table.set_column(at, "nucleotides", stripped)
        table = table.append_column("id_hash", [hash_values(table["processid"])])
        yield table.append_column("barcode_hash", [hash_values(table["nucleotides"])])


def _to_shard(source: Source, shard: Path, prepare: bool, skip: bool) -> list[LeftOut]:
    problems = Problems(skip)
    writer = None
    for table in _sound(source, prepare, problems, advance=lambda size: None):
        writer = writer or pa.ipc.new_stream(pa.OSFile(str(shard), "wb"), table.schema)
        writer.write_table(table.combine_chunks())
    if writer:
        writer.close()
    return problems.left_out
