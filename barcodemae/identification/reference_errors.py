"""Sequencing errors among the references of a library, as `barcodemae check` finds them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import datasets
import numpy as np

from barcodemae.checking.verdict_report import write_report
from barcodemae.identification import bits
from barcodemae.identification.library import Library
from barcodemae.identification.vectors import texts


def write_errors(
    library: Library, add: Callable[[Iterable[Sequence]], None]
) -> list[tuple[str, int]]:
    """Check every reference as it lies on the grid, and add a row of `COLUMNS` for each.

    Returns:
        Verdicts and how many references have each, the commonest first.
    """
    places = np.arange(len(library))
    barcodes = [text.strip("N") for text in texts(bits.unpack(library.planes))]
    phyla = [name or None for name in library.labels("phylum", places).tolist()]
    columns = {"processid": library.ids(places).tolist(), "nucleotides": barcodes, "phylum": phyla}
    verdicts, _ = write_report(datasets.Dataset.from_dict(columns), add)
    return verdicts.most_common()
