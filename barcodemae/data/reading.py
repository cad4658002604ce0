"""`read_barcodes`: any source of barcodes as one memory-mapped table in canonical columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from barcodemae.data import cache
from barcodemae.data.copies import COPIES, GROUP, Joined, Merged
from barcodemae.data.derived import write_filtered, write_kept
from barcodemae.data.headers import HEADER_FORMATS
from barcodemae.data.ids import KEEP, NUMBER, REFUSE
from barcodemae.data.reader import Reader
from barcodemae.data.schemas import RANKS, SCHEMA
from barcodemae.data.sources import FileSource, Source, resolve
from barcodemae.data.taxonomy_files import is_taxonomy_file
from barcodemae.errors import BarcodeMAEError

if TYPE_CHECKING:
    import datasets

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
    degap: bool = False,
    labels_matter: bool = False,
    on_error: str = "raise",
    num_threads: int | None = None,
    cache_dir: str | Path | None = None,
    progress: bool = True,
) -> datasets.Dataset:
    """Read barcodes from files, saved data sets or the Hub, as one table mapped into memory.

    It has the string columns `COLUMNS` (missing = None), in input order, and is kept in `cache_dir`
    under the files' paths, sizes and times and the options. `docs/file-formats.md`
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
    first, cuts = prepare and repeats == FIRST, prepare and not whole
    how = prepare, first, cuts, ids, header_format, degap, repeats != MERGE
    reader = Reader(found, lineages, *how)
    filters = [_values(split), _values(phylum), min_length]
    part = _cached(reader, cache_dir, filters, repeats, on_error, threads, progress)
    part.report.log(part.folder / cache.REPORT, ids_matter=ids != KEEP, labels_matter=labels_matter)
    return cache.load(part.folder)


def read_as_they_stand(
    sources: str | Path | Sequence[str | Path], on_error: str = "raise"
) -> cache.Kept:
    """What `read_barcodes(sources, prepare=False)` reads, without an import of `datasets`."""
    threads = _checked(None, on_error, FIRST, REFUSE, None)
    found, lineages = _with_taxonomies(resolve(sources), None)
    reader = Reader(found, lineages, False, False, False, REFUSE, None, False)
    part = _cached(reader, None, [], FIRST, on_error, threads, True)
    part.report.log(part.folder / cache.REPORT, ids_matter=True, labels_matter=False)
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
    reader: Reader,
    cache_dir: str | Path | None,
    filters: list,
    repeats: str,
    on_error: str,
    num_threads: int,
    progress: bool,
) -> cache.Kept:
    """The table of the cache: read, merged, filtered, joined, each an entry of its own."""
    root = cache.root(cache_dir)
    key = [reader.key(), on_error]

    def build(folder: Path) -> None:
        reader.write(folder, on_error == "skip", num_threads, progress)

    names = [*RANKS, "dna_bin"]

    def made(key: list, build: Callable[[Path], None]) -> cache.Kept:
        return cache.Kept(cache.entry(root, key, build))

    read = part = made(key, build)
    if repeats == MERGE:
        key = [key, MERGE]
        part = made(
            key,
            lambda folder: write_kept(folder, read, Merged(read.table, names), SCHEMA, reader.cuts),
        )
    if any(filters):
        key, whole = [key, filters], part
        part = made(key, lambda folder: write_filtered(folder, whole, SCHEMA, *filters))
    if repeats == JOIN:
        joined = SCHEMA.append(pa.field(COPIES, pa.int64())).append(pa.field(GROUP, pa.int64()))
        whole = part
        part = made(
            [key, JOIN],
            lambda folder: write_kept(
                folder, whole, Joined(whole.table, names), joined, cuts=False
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


def _values(value: str | Sequence[str] | None) -> list[str] | None:
    return [value] if isinstance(value, str) else list(value) if value else None
