"""results.jsonl: one line for each run that was judged, never half-written, never twice."""

from __future__ import annotations

import json
from pathlib import Path

from barcodemae.errors import BarcodeMAEError
from barcodemae.outputs import write_whole_text


class Results:
    """The lines of a results.jsonl, each with a `key` of its own."""

    def __init__(self, path: Path):
        self.path = path

    def rows(self) -> list[dict]:
        """All lines, in the order in which they came.

        Raises:
            BarcodeMAEError: a line is damaged.
        """
        if not self.path.exists():
            return []
        rows = []
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                rows.append(json.loads(line))
                rows[-1]["key"]
            except (ValueError, KeyError, TypeError) as error:
                raise BarcodeMAEError(
                    f"{self.path}: line {number} is damaged ({error}). Remove the line; the run "
                    "that it was of will be judged again."
                ) from error
        return rows

    def find(self, key: str) -> dict | None:
        return next((row for row in self.rows() if row["key"] == key), None)

    def put(self, row: dict) -> None:
        """Add a line, or put it in the place of the one with the same key."""
        rows = self.rows()
        places = [place for place, there in enumerate(rows) if there["key"] == row["key"]]
        if places:
            rows[places[0]] = row
        else:
            rows.append(row)
        text = "".join(json.dumps(line) + "\n" for line in rows)
        write_whole_text(self.path, text)
