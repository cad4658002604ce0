"""Tables made from a table that was read: the records that stand for others, or pass filters."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from barcodemae.data import cache
from barcodemae.data.copies import Joined, Merged, count_open_names
from barcodemae.data.preparation import cut
from barcodemae.data.read_report import ReadReport
from barcodemae.data.schemas import BATCH
from barcodemae.errors import BarcodeMAEError


def hold_gaps(nucleotides: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.match_substring_regex(nucleotides, r"[-.]")


def cut_table(table: pa.Table) -> pa.Table:
    at = table.column_names.index("nucleotides")
    return table.set_column(at, "nucleotides", cut(table["nucleotides"]))


def write_kept(
    folder: Path, part: cache.Kept, one: Joined | Merged, schema: pa.Schema, cuts: bool
) -> None:
    """Write the records of a table that stand for others, too, cut at 660 nucleotides if `cuts`.

    Copies that are merged are equal as a whole, as they are to the authors: two barcodes that
    differ after what a model reads are two, and may stand in different splits.
    """
    table = part.table
    writer = cache.Writer(folder, schema)
    for start in range(0, len(one.rows), BATCH):
        kept = one.columns_of(table, start, start + BATCH)
        writer.write((cut_table(kept) if cuts else kept).cast(schema))
    writer.close(_report_of(one, part))


def _report_of(one: Joined | Merged, part: cache.Kept) -> ReadReport:
    """The report on a table, of which only some rows are left."""
    table = part.table
    report = part.report
    report.repeats += len(table) - len(one.rows)
    report.kept -= len(table) - len(one.rows)
    report.conflicts = one.conflicts
    kept = table.select(["nucleotides", "species"]).take(pa.array(one.rows))
    report.gapped = pc.sum(hold_gaps(kept["nucleotides"])).as_py() or 0
    report.open_names = {mark: int(n) for mark, n in count_open_names(kept["species"]).items()}
    return report


def write_filtered(
    folder: Path,
    whole: cache.Kept,
    schema: pa.Schema,
    split: list[str] | None,
    phylum: list[str] | None,
    min_length: int | None,
) -> None:
    """Write the part of a table that passes every filter."""
    for column, values in (("split", split), ("phylum", phylum)):
        _check_present(whole, column, values)
    writer = cache.Writer(folder, schema)
    kept = 0
    for batch in whole.table.to_batches():
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
    writer.close(whole.report)


def _check_present(whole: cache.Kept, column: str, values: list[str] | None) -> None:
    if not values:
        return
    present = [value for value in whole.table[column].unique().to_pylist() if value is not None]
    for value in values:
        if value not in present:
            offered = ", ".join(sorted(present)) or "none at all: leave the filter out"
            raise BarcodeMAEError(f"no barcode has the {column} {value!r}; present: {offered}")
