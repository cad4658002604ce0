"""One id for each record: where ids repeat, they are told apart, or the record is refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from barcodemae.data.problems import Problems
from barcodemae.data.repeats import Seen, hash_values
from barcodemae.data.source_settings import SourceSettings

# What becomes of a repeated id within one source: the record is refused; it gets its number
# ("ID:7"); or nothing, since nobody asks for ids.
REFUSE, NUMBER, KEEP = "refuse", "number", "keep"


class ReadAgain(Exception):
    """The settings of a source have changed: everything has to be read again."""


class Ids:
    """The ids of all sources, one table after the other.

    Args:
        names, labels, settings: of the sources.
        repeated: what becomes of an id that its source has twice: `REFUSE`, `NUMBER` or `KEEP`.

    An id that an earlier source has gets the label of its own in front. Where the first words of
    headers repeat, the whole headers become the ids. Where a column that only may hold ids repeats
    (a sample's name), no id of it is used, unless the repeated ones are to be numbered.
    """

    def __init__(
        self,
        names: Sequence[str],
        labels: Sequence[str],
        settings: Sequence[SourceSettings],
        problems: Problems,
        repeated: str,
    ):
        self.names, self.labels, self.settings = names, labels, settings
        self.problems = problems
        self.repeated = repeated
        self._earlier, self._own, self._place = Seen(), Seen(), 0

    def unique(self, place: int, table: pa.Table) -> pa.Table:
        """The records of `table`, from the source at `place`, that have an id of their own, now.

        Raises:
            ReadAgain: the source's `SourceSettings` have been changed.
            BarcodeMAEError: an id is repeated, unless faulty records are skipped.
        """
        if self.repeated == KEEP:
            return table
        if place != self._place:
            self._earlier.add(self._own)
            self._own, self._place = Seen(), place
        elsewhere = self._earlier.has(table["id_hash"].to_numpy())
        if elsewhere.any():
            self.problems.counts["renamed", self.labels[place]] += int(elsewhere.sum())
        while elsewhere.any():  # an earlier source may have the new id, too
            table = _with_ids(table, elsewhere, f"{self.labels[place]}:", "")
            elsewhere = self._earlier.has(table["id_hash"].to_numpy())
        first = self._own.first(table["id_hash"].to_numpy())
        if first.all():
            return table
        if self._can_do_better(place):
            raise ReadAgain
        if self.repeated == NUMBER:
            self.problems.counts["repeated_ids", self.labels[place]] += int((~first).sum())
            return self._numbered(table, ~first)
        for row in table.filter(pa.array(~first)).select(["record", "processid"]).to_pylist():
            reason = "duplicate id: an earlier record has it; give every record its own"
            self.problems.add(self.names[place], row["record"], row["processid"], reason)
        return table.filter(pa.array(first))

    def _numbered(self, table: pa.Table, again: np.ndarray) -> pa.Table:
        """`table` with the number of the record after the ids of the rows `again` (n,), and once
        more where another record is called so already."""
        numbers = pc.binary_join_element_wise("", table["record"].cast(pa.string()), ":")
        while again.any():
            table = _with_ids(table, again, "", numbers)
            rows = np.flatnonzero(again)
            hashes = table["id_hash"].to_numpy()[rows]
            again[rows] = self._earlier.has(hashes) | ~self._own.first(hashes)
        return table

    def _can_do_better(self, place: int) -> bool:
        settings = self.settings[place]
        if settings.id_column is None and not settings.whole_headers:
            settings.whole_headers = True
            return True
        weak = settings.id_column and settings.may_be_no_id and self.repeated != NUMBER
        if weak and not settings.numbered:
            settings.numbered = True
            return True
        return False


def _with_ids(table: pa.Table, rows: np.ndarray, before: str, after) -> pa.Table:
    """`table` with other text around the ids of some `rows` (n,), booleans."""
    ids = table["processid"]
    changed = pc.binary_join_element_wise(before, ids, after, "")
    ids = pc.if_else(pa.array(rows), changed, ids)
    table = table.set_column(table.column_names.index("processid"), "processid", ids)
    at = table.column_names.index("id_hash")
    return table.set_column(at, "id_hash", [hash_values(ids.combine_chunks())])
