"""What the answers say in a sentence, and by order."""

from __future__ import annotations

import pandas as pd

from barcodemae.identification.answers import KNOWN, NEW, NEW_GENUS, NO_CALL, NOT_COI, VERDICTS


def sentence(table: pd.DataFrame) -> str:
    """For example "312 known species, 61 probably new in 24 genera, 27 no call"."""
    counts = table["verdict"].value_counts()
    genera = table.loc[(table["verdict"] == NEW) & (table["genus"] != ""), "genus"].nunique()
    unnamed = ((table["verdict"] == KNOWN) & (table["species"] == "")).sum()
    known = f"known species ({unnamed:,} of them uncertain which)" if unnamed else "known species"
    where = f"in {genera} {'genus' if genera == 1 else 'genera'}" if genera else "(genus uncertain)"
    parts = {
        KNOWN: known,
        NEW: f"probably new {where}",
        NEW_GENUS: "of a genus not in the library",
        NO_CALL: "no call",
        NOT_COI: "not COI",
    }
    said = [f"{counts[verdict]:,} {words}" for verdict, words in parts.items() if verdict in counts]
    return ", ".join(said) or "no barcodes"


def by_order(table: pd.DataFrame) -> pd.DataFrame:
    """Rows order, columns verdicts: numbers of queries, the most frequent order first."""
    orders = table["order"].where(table["order"] != "", "no order named")
    counts = pd.crosstab(orders, table["verdict"]).reindex(columns=list(VERDICTS), fill_value=0)
    return counts.loc[counts.sum(axis=1).sort_values(ascending=False, kind="stable").index]
