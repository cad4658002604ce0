"""What identification answers: a table with one row for each query, and the evidence for each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial

import pandas as pd

RANKS = ("phylum", "class", "order", "family", "genus", "species")

KNOWN = "known species"
NEW = "new species"
NEW_GENUS = "genus not in the library"
NO_CALL = "no call"
NOT_COI = "not COI"
VERDICTS = (KNOWN, NEW, NEW_GENUS, NO_CALL, NOT_COI)

PROBABILITIES = ("p_species_known", "p_genus", "p_family")
COLUMNS = (
    *("id", "verdict", "rank_called", *RANKS, *PROBABILITIES, "similarity", "identity"),
    *("nearest_id", "nearest_species", "runner_up_genus", "ambiguous_with"),
    *("strand", "start", "length", "flags"),
)
NEIGHBOUR_COLUMNS = (
    *("id", "position", "nearest_id", *RANKS, "similarity", "identity", "barcode"),
)
QUERY_COLUMNS = ("id", "barcode")
LONG_COLUMNS = ("id", "rank", "taxon", "similarity", "probability", "nearest")
_OF_RANK = {"species": "p_species_known", "genus": "p_genus", "family": "p_family"}


class Answers:
    """Verdicts on n queries.

    Args:
        table, queries, library: the attributes.
        neighbours: the attribute, or what makes it once it is asked for: most files hold none.

    Attributes:
        table: (n) rows in the order of the queries, columns `COLUMNS`. `verdict` is one of
            `VERDICTS`; `rank_called` the deepest rank whose probability reaches the target ("" if
            none does); the taxa of the ranks down to it come from one lineage, deeper ones are "".
            `p_species_known`: the query's species is in the library; `p_genus`, `p_family`: that
            of the nearest reference with a label is right. `similarity`, a cosine, `identity`, the
            share of equal nucleotides on the sites that both barcodes have, and
            `nearest_species` ("" where it has none) are those of `nearest_id`. `start` and
            `length` (sites) tell where on the grid the query lies. Missing text is "", missing
            numbers NaN.
        neighbours: up to 10 rows for each query, nearest first, columns `NEIGHBOUR_COLUMNS`;
            `barcode` is the reference on the grid, 658 letters with N for what is unknown.
        queries: `id` and `barcode`, each query on the grid.
        library: the card of the library.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        neighbours: pd.DataFrame | Callable[[], pd.DataFrame],
        queries: pd.DataFrame,
        library: dict | None = None,
    ):
        self.table, self.queries, self.library = table, queries, library or {}
        self._neighbours = neighbours

    @cached_property
    def neighbours(self) -> pd.DataFrame:
        return self._neighbours() if callable(self._neighbours) else self._neighbours

    def long(self, ranks: tuple[str, ...] = ("genus", "species")) -> pd.DataFrame:
        """A row for each query and rank, coarse to fine: `LONG_COLUMNS`.

        A rank that is not called has no taxon; `probability` is NaN for ranks above the family.
        """
        shared = self.table[["id", "similarity"]].assign(nearest=self.table["nearest_id"])
        pieces = [
            shared.assign(
                rank=rank,
                taxon=self.table[rank],
                probability=self.table.get(_OF_RANK.get(rank), float("nan")),
            )
            for rank in ranks
        ]
        # Stable: the rows of a query stay in the order of the ranks.
        rows = pd.concat(pieces).sort_index(kind="stable", ignore_index=True)
        return rows[list(LONG_COLUMNS)]


def concatenate(parts: list[Answers]) -> Answers:
    """The answers to the queries of all parts, in order; the library is the first part's."""

    def joined(name: str) -> pd.DataFrame:
        return pd.concat([getattr(part, name) for part in parts], ignore_index=True)

    neighbours = partial(joined, "neighbours")
    return Answers(joined("table"), neighbours, joined("queries"), parts[0].library)
