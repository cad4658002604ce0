"""Sources of barcodes -> one entry of the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from barcodemae.data import cache
from barcodemae.data.derived import cut_table, hold_gaps
from barcodemae.data.ids import Ids, ReadAgain
from barcodemae.data.pipeline import labels, sound_tables
from barcodemae.data.problems import Problems
from barcodemae.data.read_report import ReadReport
from barcodemae.data.repeats import Seen
from barcodemae.data.schemas import COLUMNS
from barcodemae.data.source_settings import SourceSettings
from barcodemae.data.sources import FileSource, Source
from barcodemae.data.taxonomy_files import Taxonomy
from barcodemae.errors import BarcodeMAEError


@dataclass
class Reader:
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
    degap: bool
    at_once: bool = True

    def __post_init__(self) -> None:
        self.settings = [SourceSettings(self.header_format, self.degap) for _ in self.sources]

    def key(self) -> list:
        """What the entry depends on."""
        sources = [[source.key(), source.label] for source in self.sources]
        taxonomies = [source.key() for source in self.taxonomies]
        options = [self.prepare, self.drop_repeats, self.cuts, self.at_once, self.ids]
        return [sources, taxonomies, *options, self.header_format, self.degap]

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
                    self._write(cache.Writer(folder), taxonomy, skip, num_threads, bar)
                return
            except ReadAgain:
                continue

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
        barcodes, nameless = Seen(), dict[int, bool]()
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
            has_names = table["genus"].null_count + table["species"].null_count < 2 * len(table)
            nameless[place] = nameless.get(place, True) and not has_names
            if self.drop_repeats:
                first = pa.array(barcodes.first(table["barcode_hash"].to_numpy()))
                report.repeats += len(table) - pc.sum(first).as_py() if len(table) else 0
                table = table.filter(first)
            if self.cuts and self.at_once:
                table = cut_table(table)
            report.kept += len(table)
            report.gapped += pc.sum(hold_gaps(table["nucleotides"])).as_py() or 0
            writer.write(table.select(COLUMNS))
        for place, none in nameless.items():
            if none and self.settings[place].unused:
                report.unused_columns[sources[place]] = list(self.settings[place].unused)
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
