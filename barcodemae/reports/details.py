"""The evidence for one verdict, as a piece of HTML: nearest references, differing sites, tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader

from barcodemae.cells import one_line
from barcodemae.identification.answers import VERDICTS, Answers
from barcodemae.reports import tree
from barcodemae.reports.nearest_references import UNKNOWN, differences, neighbours_of

MOST_SITES = 300  # shown of those that differ

_SAME, _ABSENT = ord("."), ord(" ")


def environment() -> Environment:
    """Templates in which every value is escaped and stripped of control characters."""
    made = Environment(
        loader=PackageLoader("barcodemae.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printed,
    )
    made.filters["figure"] = lambda value, digits=3: "" if pd.isna(value) else f"{value:.{digits}f}"
    made.filters["percent"] = lambda value: "" if pd.isna(value) else f"{100 * value:.1f} %"
    made.globals["verdict_class"] = lambda verdict: f"v{VERDICTS.index(verdict)}"
    return made


def source(name: str) -> str:
    """The text of one of our own files among the templates."""
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def style_of_details() -> str:
    """The style sheet of the pieces that `Details` makes."""
    return source("details.css")


def _printed(value: object) -> object:
    """Markup is ours; any other text may be a user's."""
    return one_line(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


@dataclass
class Alignment:
    """The sites at which references differ from a query, as lines of text.

    Attributes:
        places: three lines that give each site's number on the grid, from 1, read downwards.
        query: the query's letters.
        references: a line for each: `.` as the query, a space where unknown.
        left_out: sites beyond `MOST_SITES`, not shown.
    """

    places: list[str]
    query: str
    references: list[str]
    left_out: int


class Details:
    """Makes the piece for one query after another of `rows`, of `answers`."""

    def __init__(self, answers: Answers, rows: Sequence[int]):
        slices = neighbours_of(answers)
        self._barcodes = answers.queries["barcode"].iloc[rows].tolist()
        self._queries = answers.table.iloc[rows].to_dict("records")
        # In plain lists: a table is slow to take pieces of.
        wanted = np.concatenate([np.r_[slices[row]] for row in rows] or [np.zeros(0, int)])
        nearest = answers.neighbours.iloc[wanted.astype(int)].to_dict("records")
        ends = np.cumsum([slices[row].stop - slices[row].start for row in rows])
        starts = [0, *ends[:-1]]
        self._nearest = [nearest[s:e] for s, e in zip(starts, ends, strict=False)]
        self._template = environment().get_template("details.html.jinja")

    def html(self, number: int) -> str:
        """The piece for query `rows[number]`."""
        query, nearest = self._queries[number], self._nearest[number]
        compared = differences(self._barcodes[number], [each["barcode"] for each in nearest])
        for reference, count, common in zip(nearest, compared.counts, compared.common, strict=True):
            reference |= {"differing": int(count), "common": int(common)}
        return self._template.render(
            query=query,
            nearest=nearest,
            alignment=alignment(compared.sites, compared.letters),
            tree=tree.draw(compared.distances),
            labels=[query["id"], *map(_label, nearest)],
        )


def _label(reference: dict) -> str:
    """What a reference is called in the tree: its deepest name, and its id."""
    names = (reference.get(rank, "") for rank in ("species", "genus", "family", "order"))
    return f"{next(filter(None, names), 'unnamed')} {reference['nearest_id']}"


def alignment(sites: np.ndarray, letters: np.ndarray) -> Alignment:
    """(s,) sites and (1 + m, s) letters, the query's first, as text."""
    left_out = max(0, len(sites) - MOST_SITES)
    sites, letters = sites[:MOST_SITES], letters[:, :MOST_SITES]
    numbers = [f"{site + 1:>3}" for site in sites]
    shown = np.where(letters == letters[:1], _SAME, letters)
    shown = np.where(letters == UNKNOWN, _ABSENT, shown).astype(np.uint8)
    return Alignment(
        ["".join(number[digit] for number in numbers) for digit in range(3)],
        letters[0].tobytes().decode(),
        [line.tobytes().decode() for line in shown[1:]],
        left_out,
    )
