"""Text from users' files, made harmless where it is shown: spreadsheets, terminals, messages.

A cell of a table that a spreadsheet would run as a formula (it begins with = + - @) gets an
apostrophe in front, which spreadsheets take for "this is text"; numbers, and signs alone, stay as
they are. Control characters, which move a terminal's cursor, break a row or reverse the direction
of writing, are written out (`\\x1b`).
"""

import csv
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TextIO

logger = logging.getLogger(__name__)

# C0 and C1 controls, line and paragraph separators, and what overrides the direction of writing.
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069"
_CONTROL = re.compile(f"[{_CONTROLS}]")
_CONTROL_IN_TEXT = re.compile(f"(?![\n\t])[{_CONTROLS}]")
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠].")  # spreadsheets know the wide forms too
_DOUBTFUL = frozenset("=+-@＝＋－＠ ")  # what a printable formula can begin with
_MARKUP = re.compile(r"[\\`*|<>\[\]$~]")
_BLOCK = re.compile(r"^(\s*)([#+=]|-(?!\d))")  # what would begin a heading or a list
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def printable(text: str) -> str:
    """`text` without control characters but line ends and tabs, fit for a terminal."""
    return _CONTROL_IN_TEXT.sub(_written_out, text)


def one_line(text: str) -> str:
    """`text` without any control character."""
    return _CONTROL.sub(_written_out, text)


def _written_out(match: re.Match) -> str:
    return match[0].encode("unicode_escape").decode()


def markdown(text: str) -> str:
    """`text` as a piece of a line of Markdown, a cell of a table among it, that shows it as it is.

    Neither HTML nor a formula nor another cell or line comes of it.
    """
    return _BLOCK.sub(r"\1\\\2", _MARKUP.sub(r"\\\g<0>", one_line(text)))


def safe_cell(value: object) -> object:
    """`value` as the cell of a delimited file; only texts change."""
    if not isinstance(value, str) or (value.isprintable() and value[:1] not in _DOUBTFUL):
        return value
    text = one_line(value)
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def delimited_writer(
    file: TextIO, columns: Sequence[str], delimiter: str
) -> Callable[[Iterable[Sequence]], None]:
    """Write the header; give a function that adds rows of safe cells.

    A warning says the first time that an id (the first cell of a row) had to be changed.
    """
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(columns)
    warned = False

    def write(rows: Iterable[Sequence]) -> None:
        nonlocal warned
        for row in rows:
            cells = [safe_cell(value) for value in row]
            writer.writerow(cells)
            if not warned and cells and cells[0] != row[0]:
                warned = True
                logger.warning(
                    "the id %s is written as %s, as other ids may be: a spreadsheet would run it "
                    "as a formula, or a terminal obey it. Parquet and JSON lines keep ids as they "
                    "are.",
                    repr(row[0]),
                    cells[0],
                )

    return write
