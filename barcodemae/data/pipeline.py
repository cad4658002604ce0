"""Sources to sound, standardised tables, several of them at work side by side."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pyarrow as pa

from barcodemae.data.preparation import fill_genera, standardise, strip_unknown_end, tidy_labels
from barcodemae.data.problems import Problems
from barcodemae.data.repeats import hash_values
from barcodemae.data.source_settings import SourceSettings
from barcodemae.data.sources import Source
from barcodemae.data.taxonomy_files import Taxonomy, fill


def sound_tables(
    sources: list[Source],
    settings: list[SourceSettings],
    prepare: bool,
    taxonomy: Taxonomy | None,
    problems: Problems,
    threads: int,
    advance: Callable[[int], object],
) -> Iterator[tuple[int, pa.Table]]:
    """Tables of canonical columns plus `record`, `id_hash` and `barcode_hash`, in input order,
    each with the place of its source among `sources`.

    With `prepare` the barcodes have lost their trailing N. `advance` is told the bytes gone
    through; `settings` are the sources', and `taxonomy` has labels for their ids.
    Threads and not processes: Arrow's kernels run without the interpreter's lock, so one big file
    profits like many, and no table has to be handed over.
    """
    with ThreadPoolExecutor(threads) as pool:
        at_work: deque[tuple[int, Future]] = deque()

        def finished() -> tuple[int, pa.Table]:
            place, future = at_work.popleft()
            table, found = future.result()
            problems.left_out += found.left_out
            problems.counts += found.counts
            return place, table

        named = labels(sources)
        for place, (source, how) in enumerate(zip(sources, settings, strict=True)):
            work = partial(_sound, source.name, named[place], prepare, taxonomy, problems.skip, how)
            for raw in source.tables(problems, advance, how):
                task = pool.submit(work, raw)
                at_work.append((place, task))
                if len(at_work) > threads:
                    yield finished()
        while at_work:
            yield finished()


def _sound(
    file: str,
    label: str,
    prepare: bool,
    taxonomy: Taxonomy | None,
    skip: bool,
    settings: SourceSettings,
    raw: pa.Table,
) -> tuple[pa.Table, Problems]:
    problems = Problems(skip)
    table = standardise(raw, file, label, problems, settings)
    if prepare:
        at = table.column_names.index("nucleotides")
        table = table.set_column(at, "nucleotides", strip_unknown_end(table["nucleotides"]))
    table = table.append_column("id_hash", [hash_values(table["processid"])])
    table = table.append_column("barcode_hash", [hash_values(table["nucleotides"])])
    if taxonomy is not None:
        table = _with_labels(table, taxonomy, file, problems)
    return fill_genera(table, file, problems), problems


def _with_labels(table: pa.Table, taxonomy: Taxonomy, file: str, problems: Problems) -> pa.Table:
    table, without = fill(table, taxonomy)
    if without:
        problems.counts["without_lineage", file] += without
    return tidy_labels(table, problems)


def labels(sources: list[Source]) -> list[str]:
    """A label of its own for each source: the full name where two would share one."""
    count = Counter(source.label for source in sources)
    return [source.label if count[source.label] == 1 else source.name for source in sources]
