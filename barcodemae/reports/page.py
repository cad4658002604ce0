"""One HTML file that says what identification found; it needs no network and no other file.

Summary, verdicts by order and calibration are plain HTML. The table and the evidence for each
verdict are compressed, and unpacked by the page's script as they are looked at, so that thousands
of queries open at once. The page's policy lets no script run but that one, whatever an id says.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from barcodemae.cells import one_line
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.answers import VERDICTS, Answers
from barcodemae.outputs import check_output, write_whole_text
from barcodemae.reports.details import Details, environment, source, style_of_details
from barcodemae.reports.summary import by_order, sentence
from barcodemae.reports.workbook import flat

logger = logging.getLogger(__name__)

MOST_ROWS = 20_000  # in the page's table
MOST_DETAILS = 3_000  # queries whose references are in the page
CHUNK = 50  # queries unpacked at once
_MOST_ORDERS = 40
# What the page's table shows, and what it calls it.
SHOWN = {
    "id": "Id",
    "verdict": "Verdict",
    "order": "Order",
    "family": "Family",
    "genus": "Genus",
    "species": "Species",
    "p_species_known": "P(species known)",
    "p_genus": "P(genus)",
    "p_family": "P(family)",
    "identity": "Identity",
    "nearest_species": "Nearest species",
    "flags": "Flags",
}


def check_html(path: Path, inputs: Iterable[str | Path] = ()) -> None:
    """Raise BarcodeMAEError unless a report can be written to `path`, before any work."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise BarcodeMAEError(f"{path}: the report is an HTML page; give a name that ends in .html")
    check_output(path, inputs)


def write_html(answers: Answers, path: Path) -> None:
    """Write the report on `answers`, whole or not at all.

    Its size is bounded: `MOST_ROWS` queries stand in the table and `MOST_DETAILS` with their
    references, those first that are not of a known species; the page says what it leaves out.

    Raises:
        BarcodeMAEError: `path` cannot be written or ends in something else than .html.
    """
    check_html(path)
    write_whole_text(path, render(answers))


def render(answers: Answers) -> str:
    """The page."""
    from barcodemae import __version__

    made = environment()
    script = source("report.js")
    style = style_of_details() + source("report.css")
    table = answers.table
    rows = _chosen(table, MOST_ROWS)
    detailed = rows[:MOST_DETAILS]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return made.get_template("report.html.jinja").render(
        # Markup: ours, and in base64, so nothing in them can be read as HTML.
        script=Markup(script),
        style=Markup(style),
        policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        rows=Markup(_packed(_rows(table, sorted(rows), detailed))),
        chunks=[Markup(_packed(chunk)) for chunk in _chunks(answers, detailed)],
        chunk=CHUNK,
        shown=SHOWN,
        sentence=sentence(table),
        count=len(table),
        in_table=len(rows),
        with_details=len(detailed),
        verdicts=VERDICTS,
        orders=_orders(table),
        diagrams=_diagrams(answers.library.get("calibration") or {}),
        library={k: v for k, v in flat(answers.library).items() if "calibration" not in k},
        version=__version__,
        date=datetime.now(UTC).date().isoformat(),
    )


def _chosen(table: pd.DataFrame, most: int) -> list[int]:
    """Rows to show, those first that somebody has to look at."""
    known = (table["verdict"] == VERDICTS[0]).to_numpy()
    return known.argsort(kind="stable")[:most].tolist()


def _rows(table: pd.DataFrame, rows: list[int], detailed: list[int]) -> list[list]:
    """Cells of the page's table, and last the number among the details (-1: it has none)."""
    number = {row: position for position, row in enumerate(detailed)}
    shown = table[list(SHOWN)].iloc[rows].copy()
    shown["verdict"] = shown["verdict"].map(VERDICTS.index)
    columns = []
    for name in shown:
        values = shown[name].tolist()
        columns.append([_plain(value) for value in values])
    return [[*cells, number.get(row, -1)] for row, *cells in zip(rows, *columns, strict=True)]


def _plain(value: object) -> object:
    if isinstance(value, str):
        return one_line(value)
    if pd.isna(value):
        return None
    return round(value, 4)


def _chunks(answers: Answers, detailed: list[int]) -> Iterator[list[str]]:
    details = Details(answers, detailed)
    for start in range(0, len(detailed), CHUNK):
        stop = min(start + CHUNK, len(detailed))
        yield [details.html(number) for number in range(start, stop)]


def _packed(content: object) -> str:
    raw = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    # Without the time of day, so that the same answers give the same page.
    return base64.b64encode(gzip.compress(raw, 6, mtime=0)).decode()


def _orders(table: pd.DataFrame) -> dict:
    counts = by_order(table)
    head = counts.iloc[:_MOST_ORDERS]
    rows = [(name, row.tolist(), int(row.sum())) for name, row in head.iterrows()]
    if rest := len(counts) - len(head):
        others = counts.iloc[_MOST_ORDERS:].sum()
        rows.append((f"{rest} other orders", others.tolist(), int(others.sum())))
    return {"rows": rows, "most": max((total for _, _, total in rows), default=1)}


def _diagrams(calibration: dict) -> list[dict]:
    """Reliability diagrams: of one probability, or of each that the card has figures of."""
    named = calibration.items() if "bins" not in calibration else [("", calibration)]
    return [
        {"name": name.removeprefix("p_").replace("_", " "), **figures}
        for name, figures in named
        if isinstance(figures, dict) and figures.get("bins")
    ]
