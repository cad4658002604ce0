"""Faults of records: raised with file, record and remedy, or noted down."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from barcodemae.data.line_numbers import line_of
from barcodemae.errors import BarcodeMAEError, FaultyRecord


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
        """Raise `BarcodeMAEError` (of a record `FaultyRecord`), or note it down when skipping."""
        if not self.skip:
            kind = BarcodeMAEError if record is None else FaultyRecord
            raise kind(describe(file, record, id, reason, line))
        self.left_out.append(LeftOut(str(file), record, id, reason))


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
