"""How a source is to be read where its content alone does not tell."""

from __future__ import annotations

from dataclasses import dataclass

NAMED = {b"ids": b"headers"}  # metadata of a table whose ids are never a missing value


@dataclass
class SourceSettings:
    """What the user asked for, and what reading found out about one source.

    Attributes:
        header_format: of FASTA headers, a name of `headers.HEADER_FORMATS`; None: recognised.
        degap: gaps are taken out.
        whole_headers: the whole header is the id, since first words repeat.
        numbered: the id column is not used, since its values repeat.
        found: the format that the content turned out to have.
        id_column: the name of the column that the ids come from; "" where there is none, None where
            headers hold them.
        may_be_no_id: that column is one that need not hold ids, such as `sample`.
        unused: names of the columns that nothing was taken from.
    """

    header_format: str | None = None
    degap: bool = False
    whole_headers: bool = False
    numbered: bool = False
    found: str = ""
    id_column: str | None = None
    may_be_no_id: bool = False
    unused: tuple[str, ...] = ()

    def statement(self) -> str:
        """What the source turned out to be, in words."""
        if self.id_column is None:
            ids = "whole headers, since first words repeat" if self.whole_headers else "first words"
            return f"{self.found}; ids: {ids}"
        if self.numbered:
            return (
                f"{self.found}; ids: numbers, since those of the column {self.id_column!r} repeat"
            )
        ids = f"column {self.id_column!r}" if self.id_column else "numbers, no column is known"
        return f"{self.found}; ids: {ids}"
