"""`read_barcodes`: any source of barcodes as one memory-mapped table in canonical columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from barcodemae.data import cache
from barcodemae.data.copies import COPIES, GROUP, Joined, Merged
from barcodemae.data.derived import cut_table, hold_gaps, write_filtered, write_kept
from barcodemae.data.headers import HEADER_FORMATS
from barcodemae.data.ids import KEEP, NUMBER, REFUSE, Ids, ReadAgain
from barcodemae.data.pipeline import labels, sound_tables
from barcodemae.data.problems import Problems
from barcodemae.data.read_report import ReadReport
from barcodemae.data.repeats import Seen
from barcodemae.data.schemas import COLUMNS, RANKS, rank_column, table_schema
from barcodemae.data.source_settings import SourceSettings
from barcodemae.data.sources import FileSource, Source, resolve
from barcodemae.data.taxonomy_files import Taxonomy, is_taxonomy_file
from barcodemae.errors import BarcodeMAEError

FIRST, JOIN, MERGE = "first", "join", "merge"


def read_barcodes(
    sources: str | Path | Sequence[str | Path],
    *,
    split: str | Sequence[str] | None = None,
    phylum: str | Sequence[str] | None = None,
    min_length: int | None = None,
    prepare: bool = True,
    whole: bool = False,
    repeats: str = FIRST,
    ids: str = REFUSE,
    taxonomy: str | Path | Sequence[str | Path] | None = None,
    header_format: str | None = None,
    columns: Sequence[str] = (),
    degap: bool = False,
    labels_matter: bool = False,
    on_error: str = "raise",
    num_threads: int | None = None,
    cache_dir: str | Path | None = None,
    progress: bool = True,
) -> datasets.Dataset:
    """Read barcodes from files, saved data sets or the Hub, as one table mapped into memory.

    It has the string columns `COLUMNS` (missing = None) and `columns`, in input order, and is kept
    in `cache_dir` under the files' paths, sizes and times and the options. `docs/file-formats.md`
    says what is read, how records get their ids and what preparing does.

    Args:
        sources: files (plain or packed), globs, `-` for standard input, folders of
            `Dataset.save_to_disk`, Hub ids `org/name`.
        split, phylum: keep the records with one of these values.
        min_length: keep barcodes of at least so many nucleotides, as prepared.
        prepare: strip trailing N, drop repeated barcodes, cut at 660 nucleotides, as the authors.
        whole: do not cut: the grid finds the barcode region wherever it lies in a record.
        repeats: "first" of equal barcodes is kept; "merge": it takes over the labels that the
            others have and none contradicts; "join" their labels after the filters: one record for
            each barcode and lineage, with the columns `copies` and `barcode_group`.
        ids: of an id that its source has twice: "refuse" (faulty), "number" (`ID:RECORD`), "keep".
        taxonomy: files of ids and lineages; one among `sources` is recognised.
        header_format: of FASTA headers, a name of `HEADER_FORMATS`; None: recognised.
        columns: other columns of tables to keep, by any spelling of their names.
        degap: take gaps (- and .) out.
        labels_matter: warn of what was found wrong with labels, too.
        on_error: "raise" at the first faulty record, or "skip" it: `read_report(DATASET)` tells.
        num_threads: that check and prepare side by side; None: one a processor, at most four.

    Raises:
        BarcodeMAEError: a source that does not exist or cannot be read, a faulty record, a filter
            value that does not occur, no barcode left, an option that is not allowed.
    """
    threads = _checked(num_threads, on_error, repeats, ids, header_format)
    found, lineages = _with_taxonomies(resolve(sources), taxonomy)
    extra = [name for name in map(rank_column, columns) if name not in COLUMNS]
    first, cuts = prepare and repeats == FIRST, prepare and not whole
    reader = _Reader(
        found, lineages, prepare, first, cuts, ids, header_format, extra, degap, repeats != MERGE
    )
    filters = [_values(split), _values(phylum), min_length]
    part = _cached(reader, cache_dir, filters, repeats, on_error, threads, progress)
    report = cache.read_report(part)
    report.log(cache.report_file(part), ids_matter=ids != KEEP, labels_matter=labels_matter)
    return part


def _checked(
    num_threads: int | None, on_error: str, repeats: str, ids: str, header_format: str | None
) -> int:
    """How many threads to use; raise BarcodeMAEError where an option is not allowed."""
    for name, value, allowed in (
        ("on_error", on_error, ("raise", "skip")),
        ("repeats", repeats, (FIRST, JOIN, MERGE)),
        ("ids", ids, (REFUSE, NUMBER, KEEP)),
        ("header_format", header_format, (None, *HEADER_FORMATS)),
    ):
        if value not in allowed:
            offered = " or ".join(f'"{each}"' for each in allowed if each)
            raise BarcodeMAEError(f"{name} must be {offered}, not {value!r}")
    if num_threads is None:
        num_threads = min(4, os.cpu_count() or 1)
    if num_threads < 1:
        raise BarcodeMAEError(f"num_threads must be at least 1, not {num_threads}")
    return num_threads


def _cached(
    reader: _Reader,
    cache_dir: str | Path | None,
    filters: list,
    repeats: str,
    on_error: str,
    num_threads: int,
    progress: bool,
) -> datasets.Dataset:
    """The table of the cache: read, merged, filtered, joined, each an entry of its own."""
    root, schema = cache.root(cache_dir), reader.schema
    key = [reader.key(), on_error]

    def build(folder: Path) -> None:
        reader.write(folder, on_error == "skip", num_threads, progress)

    names = [*RANKS, "dna_bin", *reader.extra]

    def made(key: list, build: Callable[[Path], None]) -> datasets.Dataset:
        return cache.load(cache.entry(root, key, build))

    read = part = made(key, build)
    if repeats == MERGE:
        key = [key, MERGE]
        part = made(
            key,
            lambda folder: write_kept(
                folder, read, Merged(read.data.table, names), schema, reader.cuts
            ),
        )
    if any(filters):
        key, whole = [key, filters], part
        part = made(key, lambda folder: write_filtered(folder, whole, schema, *filters))
    if repeats == JOIN:
        joined = schema.append(pa.field(COPIES, pa.int64())).append(pa.field(GROUP, pa.int64()))
        whole = part
        part = made(
            [key, JOIN],
            lambda folder: write_kept(
                folder, whole, Joined(whole.data.table, names), joined, cuts=False
            ),
        )
    return part


def _with_taxonomies(
    found: list[Source], taxonomy: str | Path | Sequence[str | Path] | None
) -> tuple[list[Source], list[FileSource]]:
    """Sources of barcodes, and of lineages."""
    lineages = []
    for source in resolve(taxonomy) if taxonomy else []:
        if not isinstance(source, FileSource):
            raise BarcodeMAEError(f"{source.name}: a taxonomy must be a file")
        lineages.append(source)
    if len(found) > 1:
        files = [source for source in found if isinstance(source, FileSource)]
        among = [source for source in files if is_taxonomy_file(source.path)]
        found = [source for source in found if source not in among]
        lineages += among
    if not found:
        raise BarcodeMAEError(
            f"{lineages[0].name}: a taxonomy alone; name the file with the barcodes, too"
        )
    return found, lineages


@dataclass
class _Reader:
    """Reads sources into an entry of the cache; the fields are arguments of `read_barcodes`.

    Attributes:
        cuts, at_once: at 660 nucleotides, and whether on reading or once copies are merged.
        settings: what reading finds out about each source.
    """

    sources: list[Source]
    taxonomies: list[FileSource]
    prepare: bool
    drop_repeats: bool
    cuts: bool
    ids: str
    header_format: str | None
    extra: Sequence[str]
    degap: bool
    at_once: bool = True

    def __post_init__(self) -> None:
        self.settings = [
            SourceSettings(self.header_format, tuple(self.extra), self.degap) for _ in self.sources
        ]

    def key(self) -> list:
        """What the entry depends on."""
        sources = [[source.key(), source.label] for source in self.sources]
        taxonomies = [source.key() for source in self.taxonomies]
        options = [self.prepare, self.drop_repeats, self.cuts, self.at_once, self.ids]
        return [sources, taxonomies, *options, self.header_format, self.degap, list(self.extra)]

    def write(self, folder: Path, skip: bool, num_threads: int, progress: bool) -> None:
        """Write the sound records of all sources, ids unique and, if asked for, barcodes too."""
        taxonomy = Taxonomy.read([source.path for source in self.taxonomies])
        size = sum(source.size for source in self.sources)
        while True:
            bar = tqdm(
                desc="reading", total=size, unit="B", unit_scale=True, delay=2, disable=not progress
            )
            try:
                with bar:
                    self._write(cache.Writer(folder, self.schema), taxonomy, skip, num_threads, bar)
                return
            except ReadAgain:
                continue

    @property
    def schema(self) -> pa.Schema:
        return table_schema(self.extra)

    def _write(
        self,
        writer: cache.Writer,
        taxonomy: Taxonomy,
        skip: bool,
        num_threads: int,
        bar: tqdm,
    ) -> None:
        problems, names = Problems(skip), labels(self.sources)
        report = ReadReport(left_out=problems.left_out)
        sources = [source.name for source in self.sources]
        unique = Ids(sources, names, self.settings, problems, self.ids).unique
        barcodes = Seen()
        tables = sound_tables(
            self.sources,
            self.settings,
            self.prepare,
            taxonomy if self.taxonomies else None,
            problems,
            num_threads,
            bar.update,
        )
        for place, table in tables:
            table = unique(place, table)
            if self.drop_repeats:
                first = pa.array(barcodes.first(table["barcode_hash"].to_numpy()))
                report.repeats += len(table) - pc.sum(first).as_py() if len(table) else 0
                table = table.filter(first)
            if self.cuts and self.at_once:
                table = cut_table(table)
            report.kept += len(table)
            report.gapped += pc.sum(hold_gaps(table["nucleotides"])).as_py() or 0
            writer.write(table.select(self.schema.names))
        self._finish(report, problems)
        writer.close(report)

    def _finish(self, report: ReadReport, problems: Problems) -> None:
        for (what, name), count in problems.counts.items():
            getattr(report, what)[name] = count
        names = [source.name for source in self.sources]
        report.formats = {
            name: how.statement() for name, how in zip(names, self.settings, strict=True)
        }
        if not report.kept:
            listed = ", ".join(names[:3])
            if not problems.left_out:
                raise BarcodeMAEError(
                    f"no barcode left of {listed}: all records are of another marker than COI "
                    f"({', '.join(report.other_markers)}); give records of COI"
                )
            raise BarcodeMAEError(f"no barcode left of {listed}: {problems.left_out[0].reason}")
        faulty = sum(entry.record is not None for entry in problems.left_out)
        others = sum(report.other_markers.values())
        report.records = report.kept + report.repeats + faulty + others


def _values(value: str | Sequence[str] | None) -> list[str] | None:
    return [value] if isinstance(value, str) else list(value) if value else None
