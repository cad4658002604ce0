"""What became of the records that were read, and what of it is said."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from barcodemae.data.problems import LeftOut
from barcodemae.data.schemas import RANKS

logger = logging.getLogger(__name__)


@dataclass
class ReadReport:
    """What became of every record of one `read_barcodes` call, before its filters.

    `records` = `kept` + `repeats` + the records of `left_out` + `other_markers`.

    Attributes:
        records: that were read.
        kept: that stand in the data set.
        repeats: barcodes seen before, or where repeats are joined, copies of a kept record.
        left_out: what could not be used (empty unless `on_error="skip"`).
        gapped: of those kept that hold gaps.
        other_markers: records left out since they are not COI, by marker.
        placeholders: labels that name nothing ("unclassified") and count as missing, by wording.
        numbered: records without an id, called SOURCE:RECORD, by source.
        renamed: records with the id of another source's, called SOURCE:ID, by source.
        repeated_ids: records with an id that their source has twice, called ID:RECORD, by source.
        without_lineage: records that the taxonomy files do not have, by source.
        genera_of_species: records without a genus that got it from their species' name, by source.
        open_names: species that are open names ("Pieris sp."), by their mark.
        unused_columns: of tables that gave no record a genus or a species, by source.
        formats: what each source turned out to be, and where its ids come from.
        conflicts: barcodes whose labels contradict each other, so that they are kept several times
            or have no label where these do.
    """

    records: int = 0
    kept: int = 0
    repeats: int = 0
    left_out: list[LeftOut] = field(default_factory=list)
    gapped: int = 0
    other_markers: dict[str, int] = field(default_factory=dict)
    placeholders: dict[str, int] = field(default_factory=dict)
    numbered: dict[str, int] = field(default_factory=dict, compare=False)
    renamed: dict[str, int] = field(default_factory=dict)
    repeated_ids: dict[str, int] = field(default_factory=dict)
    without_lineage: dict[str, int] = field(default_factory=dict)
    genera_of_species: dict[str, int] = field(default_factory=dict)
    open_names: dict[str, int] = field(default_factory=dict)
    unused_columns: dict[str, list[str]] = field(default_factory=dict, compare=False)
    formats: dict[str, str] = field(default_factory=dict, compare=False)
    conflicts: int = 0

    def log(
        self, listed: Path | None, ids_matter: bool = True, labels_matter: bool = False
    ) -> None:
        """Say what reading did that nobody asked for: gaps, other markers, ids that were made up or
        told apart, placeholders; and how many records were left out and why, and where all are
        `listed`."""
        said = [*self._of_barcodes()]
        said += self._of_ids() if ids_matter else ()
        said += self._of_labels() if labels_matter else ()
        for line in said:
            logger.warning(line)
        if self.left_out:
            self._log_left_out(listed)

    def _of_barcodes(self) -> Iterator[str]:
        if self.gapped:
            yield (
                f"{self.gapped} of {self.kept} barcodes hold gaps (- or .), which count as unknown "
                "nucleotides. If the barcodes come from an alignment, take the gaps out, with "
                "--degap where there is that option."
            )
        if self.other_markers:
            yield f"left out {_counted(self.other_markers, 'records of another marker than COI')}"

    def _of_ids(self) -> Iterator[str]:
        yield from (f"{name}: {how}" for name, how in self.formats.items() if "repeat" in how)
        for source, count in self.numbered.items():
            yield (
                f"{count} records of {source} have no id that is known and are called {source}:1, "
                f"{source}:2, ... by their number: call the column of the ids `id`, or begin each "
                "header with one"
            )
        for source, count in self.renamed.items():
            yield (
                f"{count} ids of {source} stand in an earlier source, too; they are told apart as "
                f"{source}:ID"
            )
        for source, count in self.repeated_ids.items():
            yield f"{count} ids of {source} repeat; they are told apart as ID:RECORD"

    def _of_labels(self) -> Iterator[str]:
        for source, columns in self.unused_columns.items():
            yield (
                f"{source}: no record got a genus or a species. Columns that are not used: "
                f"{', '.join(columns)}. If they hold taxa, name them after their ranks: "
                f"{', '.join(RANKS)}"
            )
        for source, count in self.without_lineage.items():
            yield f"{count} records of {source} are not in the taxonomy files"
        for source, count in self.genera_of_species.items():
            yield (
                f"{count} records of {source} have no genus; it is taken from their species' names"
            )
        if self.placeholders:
            yield _counted(self.placeholders, "labels name no taxon and count as missing")
        if self.open_names:
            yield _counted(self.open_names, "records have an open name in place of a species")
        if self.conflicts:
            yield (
                f"{self.conflicts} barcodes stand under conflicting labels; what these disagree on "
                "is undecided"
            )

    def _log_left_out(self, listed: Path | None) -> None:
        kinds = Counter(entry.reason.split(":")[0] for entry in self.left_out)
        logger.warning(
            "left out %d of %d records, listed in %s:", len(self.left_out), self.records, listed
        )
        for kind, count in kinds.most_common(10):
            example = next(e for e in self.left_out if e.reason.split(":")[0] == kind)
            where = f"{example.file}, record {example.record}" if example.record else example.file
            logger.warning("  %d: %s (first: %s)", count, kind, where)


def _counted(counts: dict[str, int], what: str) -> str:
    """How many there are in all, and of the five most frequent ones."""
    shown = ", ".join(f"{name}: {count}" for name, count in Counter(counts).most_common(5))
    return f"{sum(counts.values())} {what} ({shown}{', ...' if len(counts) > 5 else ''})"
