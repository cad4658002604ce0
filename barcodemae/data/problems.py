"""What reading left out, and errors that name the file, the record and the remedy."""

from __future__ import annotations

import csv
import io
import logging
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from barcodemae.data.packed import PACKING_ERRORS, Unreadable, opened, skip_blank, unpack
from barcodemae.data.rows import RowReader, read_header
from barcodemae.errors import BarcodeMAEError

logger = logging.getLogger(__name__)

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One record, or with `record` None the rest of one file, that could not be read.

    `record` counts from 1 within its file; `reason` names the fault and the remedy.
    """

    file: str
    record: int | None
    id: str | None
    reason: str


class Problems:
    """Where parsers report a fault: it is raised, or with `skip` noted down and left out.

    `counts` holds what is no fault but has to be said: see `ReadReport`.
    """

    def __init__(self, skip: bool = False):
        self.skip = skip
        self.left_out: list[LeftOut] = []
        self.counts: Counter[tuple[str, str]] = Counter()  # what happened, and to what

    def add(
        self,
        file: str | Path,
        record: int | None,
        id: str | None,
        reason: str,
        line: int | None = None,
    ) -> None:
        """Raise `BarcodeMAEError`, or note the record down when skipping."""
        if not self.skip:
            raise BarcodeMAEError(describe(file, record, id, reason, line))
        self.left_out.append(LeftOut(str(file), record, id, reason))


_FAULTS: tuple[type[Exception], ...] = (OSError, csv.Error, Unreadable, *PACKING_ERRORS)


def describe(
    file: str | Path, record: int | None, id: str | None, reason: str, line: int | None = None
) -> str:
    """`FILE: record 3 (id 'X', line 5): REASON`, with what is known of it."""
    if record is None:
        return f"{file}: {reason}"
    line = line or line_of(file, record)
    known = [f"id {id!r}" if id else "", f"line {line}" if line else ""]
    details = ", ".join(filter(None, known))
    return f"{file}: record {record}{f' ({details})' if details else ''}: {reason}"


def line_of(file: str | Path, record: int) -> int | None:
    """The line on which a record of a text file begins, both counted from 1; None if unknown.

    Parsers do not count lines, so the file is read once more: only ever when about to raise.
    """
    if not Path(file).is_file():  # a pipe would wait for what has been read already
        return None
    try:
        with opened(file) as raw, unpack(raw) as stream:
            if stream.peek(4).startswith(b"PAR1"):
                return None
            while stream.peek(3).startswith(_BOM):
                stream.read(3)
            blank = skip_blank(stream)
            if stream.peek(1)[:1] in b"@>#":
                text = io.TextIOWrapper(stream, encoding="latin-1", newline=None)
                return _line_of_sequence(text, record, blank + 1)
            return _line_of_row(stream, record, blank)
    except _FAULTS:
        return None


def _line_of_sequence(text: io.TextIOWrapper, record: int, number: int) -> int | None:
    """The line of a record of FASTA or FASTQ; `number` is that of the first line of `text`."""
    first = text.readline()
    while first and (first.startswith("#") or not first.strip()):
        first, number = text.readline(), number + 1
    if first.startswith("@"):  # FASTQ: four lines to a record
        return number + 4 * (record - 1)
    seen = 1
    while seen < record and (line := text.readline()):
        number += 1
        seen += line.startswith(">")
    return number if seen == record else None


def _line_of_row(stream: io.BufferedReader, record: int, skipped: int) -> int | None:
    header = read_header(stream)
    done = 0
    reader = RowReader(header.delimiter, len(header.names), [0], 0, header.line + skipped + 1)
    for block in reader.blocks(stream):
        lines = sorted([*block.lines.tolist(), *(line for line, _ in block.faults)])
        if done + len(lines) >= record:
            return lines[record - done - 1]
        done += len(lines)
    return None


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
        open_names: species that are open names ("Pieris sp."), by their mark.
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
    open_names: dict[str, int] = field(default_factory=dict)
    formats: dict[str, str] = field(default_factory=dict, compare=False)
    conflicts: int = 0

    def log(
        self, listed: Path | None, ids_matter: bool = True, labels_matter: bool = False
    ) -> None:
        """Say what reading did that nobody asked for: gaps, other markers, ids that were made up or
        told apart, placeholders; and how many records were left out and why, and where all are
        `listed`."""
        if self.gapped:
            logger.warning(
                "%d of %d barcodes hold gaps (- or .), which count as unknown nucleotides and move "
                "the k-mers after them. If they come from an alignment, take the gaps out "
                "(--degap; in Python degap=True).",
                self.gapped,
                self.kept,
            )
        if self.other_markers:
            logger.warning(
                "left out %d records of another marker than COI (%s)",
                sum(self.other_markers.values()),
                _listed(self.other_markers),
            )
        if ids_matter:
            self._log_ids()
        if labels_matter:
            self._log_labels()
        if self.left_out:
            self._log_left_out(listed)

    def _log_ids(self) -> None:
        for source, how in self.formats.items():
            if "repeat" in how:
                logger.warning("%s: %s", source, how)
        for source, count in self.numbered.items():
            logger.warning(
                "%d records of %s have no id that is known and are called %s:1, %s:2, ... by their "
                "number: call the column of the ids `id`, or begin each header with one",
                *(count, source, source, source),
            )
        for source, count in self.renamed.items():
            logger.warning(
                "%d ids of %s stand in an earlier source, too; they are told apart as %s:ID",
                *(count, source, source),
            )

        for source, count in self.repeated_ids.items():
            logger.warning("%d ids of %s repeat; they are told apart as ID:RECORD", count, source)

    def _log_labels(self) -> None:
        for source, count in self.without_lineage.items():
            logger.warning("%d records of %s are not in the taxonomy files", count, source)
        if self.placeholders:
            logger.warning(
                "%d labels name no taxon and count as missing (%s)",
                sum(self.placeholders.values()),
                _listed(self.placeholders),
            )
        if self.open_names:
            logger.warning(
                "%d records have an open name in place of a species (%s)",
                sum(self.open_names.values()),
                _listed(self.open_names),
            )
        if self.conflicts:
            logger.warning(
                "%d barcodes stand under conflicting labels; what these disagree on is undecided",
                self.conflicts,
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


def _listed(counts: dict[str, int], most: int = 5) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{name}: {count}" for name, count in ordered[:most])
    return shown + (", ..." if len(ordered) > most else "")
