"""Answers as the tables that QIIME 2, phyloseq and Darwin Core take."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pandas as pd

from barcodemae.identification.answers import KNOWN, NEW, RANKS, Answers

logger = logging.getLogger(__name__)

_KINGDOM = "Animalia"  # whose COI the grid is made of
_PROBABILITY = {"species": "p_species_known", "genus": "p_genus", "family": "p_family"}


def qiime2(answers: Answers) -> pd.DataFrame:
    """Feature ID, Taxon (k__; p__; ... down to the rank called), Confidence (of that rank).

    Ranks above the family have no probability, so their confidence is empty.
    """
    table = answers.table
    repeated = table["id"][table["id"].duplicated()]
    if len(repeated):
        logger.warning("QIIME 2 takes an id once only; %r, for one, stands twice", repeated.iloc[0])
    lineages = [_lineage(row) for row in table[list(RANKS)].itertuples(index=False)]
    confidence = [
        row.get(_PROBABILITY.get(row["rank_called"], ""), float("nan"))
        for row in table.to_dict("records")
    ]
    return pd.DataFrame({"Feature ID": table["id"], "Taxon": lineages, "Confidence": confidence})


def _lineage(taxa: tuple) -> str:
    named = [
        f"{rank[0]}__{taxon.replace(';', ',')}"
        for rank, taxon in zip(RANKS, taxa, strict=True)
        if taxon
    ]
    return "; ".join([f"k__{_KINGDOM}", *named]) if named else "Unassigned"


def phyloseq(answers: Answers) -> pd.DataFrame:
    """A tax_table: in R, tax_table(as.matrix(read.delim(FILE, row.names = 1))); NA where unnamed.

    Species are binomials.
    """
    taxa = answers.table[list(RANKS)]
    named = (taxa != "").any(axis=1)
    columns = {rank.capitalize(): taxa[rank].where(taxa[rank] != "", "NA") for rank in RANKS}
    kingdom = named.map({True: _KINGDOM, False: "NA"})
    return pd.DataFrame({"OTU": answers.table["id"], "Kingdom": kingdom, **columns})


def darwin_core(answers: Answers) -> pd.DataFrame:
    """Identifications in Darwin Core's terms (occurrence core), a row for each query.

    A new species bears its genus' name and the qualifier "sp."; one that is not named at any rank
    is "incertae sedis", as GBIF has it.
    """
    from barcodemae import __version__

    table = answers.table
    rank = table["rank_called"]
    names = [row[row["rank_called"]] if row["rank_called"] else "" for row in _dicts(table)]
    library = answers.library.get("name", "")
    return pd.DataFrame(
        {
            "occurrenceID": table["id"],
            "basisOfRecord": "MaterialSample",
            "scientificName": [name or "incertae sedis" for name in names],
            "taxonRank": rank,
            "kingdom": [_KINGDOM if name else "" for name in names],
            **{name: table[name] for name in RANKS if name != "species"},
            "specificEpithet": [_epithet(row) for row in _dicts(table)],
            "identificationQualifier": table["verdict"]
            .map({NEW: "sp."})
            .fillna("")
            .where(table["genus"] != "", ""),
            "identificationVerificationStatus": "unverified",
            "identificationRemarks": [_remarks(row) for row in _dicts(table)],
            "identificationReferences": library,
            "identifiedBy": f"barcodemae {__version__}",
            "dateIdentified": datetime.now(UTC).date().isoformat(),
            "associatedOccurrences": table["nearest_id"],
        }
    )


def _dicts(table: pd.DataFrame) -> list[dict]:
    return table.to_dict("records")


def _epithet(row: dict) -> str:
    """What follows the genus in a species' name, of a species that is called."""
    if row["rank_called"] != "species":
        return ""
    genus, _, epithet = row["species"].partition(" ")
    return epithet if genus == row["genus"] else ""


def _remarks(row: dict) -> str:
    said = [f"verdict: {row['verdict']}"]
    said += [
        f"{words} {row[column]:.3f}"
        for column, words in (
            ("p_species_known", "probability that the species is in the library"),
            ("p_genus", "probability of the genus"),
            ("p_family", "probability of the family"),
            ("identity", "identity to the nearest reference"),
        )
        if pd.notna(row[column])
    ]
    if row["verdict"] != KNOWN and row["nearest_species"]:
        said.append(f"nearest species {row['nearest_species']}")
    if row["ambiguous_with"]:
        said.append(f"several species share the barcode: {row['ambiguous_with']}")
    if row["flags"]:
        said.append(f"flags: {row['flags']}")
    return "; ".join(said)
