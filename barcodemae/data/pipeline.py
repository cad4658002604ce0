"""Sources to sound, standardised tables, several of them at work side by side."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa

from barcodemae.data.preparation import standardise, strip_unknown_end
from barcodemae.data.problems import LeftOut, Problems
from barcodemae.data.repeats import hash_values
from barcodemae.data.sources import Source


def sound_tables(
    sources: list[Source],
    prepare: bool,
    problems: Problems,
    threads: int,
    advance: Callable[[int], None],
) -> Iterator[tuple[Source, pa.Table]]:
    """Tables of canonical columns plus `record`, `id_hash` and `barcode_hash`, in input order.

    With `prepare` the barcodes have lost their trailing N. `advance` is told the bytes gone
    through. Threads and not processes: Arrow's kernels run without the interpreter's lock, so one
    big file profits like many, and no table has to be handed over.
    """
    with ThreadPoolExecutor(threads) as pool:
        at_work: deque[tuple[Source, Future]] = deque()

        def finished() -> tuple[Source, pa.Table]:
            source, future = at_work.popleft()
            table, left_out = future.result()
            problems.left_out += left_out
            return source, table

        for source, label in zip(sources, _labels(sources), strict=True):
            for raw in source.tables(problems, advance):
                task = pool.submit(_sound, raw, source.name, label, prepare, problems.skip)
                at_work.append((source, task))
                if len(at_work) > threads:
                    yield finished()
        while at_work:
            yield finished()


def _sound(
    raw: pa.Table, file: str, label: str, prepare: bool, skip: bool
) -> tuple[pa.Table, list[LeftOut]]:
    problems = Problems(skip)
    table = standardise(raw, file, label, problems)
    if prepare:
        at = table.column_names.index("nucleotides")
        table = table.set_column(at, "nucleotides", strip_unknown_end(table["nucleotides"]))
    table = table.append_column("id_hash", [hash_values(table["processid"])])
    table = table.append_column("barcode_hash", [hash_values(table["nucleotides"])])
    return table, problems.left_out


def _labels(sources: list[Source]) -> list[str]:
    """A label of its own for each source: the full name where two would share one."""
    count = Counter(source.label for source in sources)
    return [source.label if count[source.label] == 1 else source.name for source in sources]
