"""The calls of a fine-tuned classifier as answers, in the columns of `identify`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from barcodemae.data.grid import coi_grid
from barcodemae.identification import answers as named
from barcodemae.identification import flags, vectors
from barcodemae.identification.answers import NEIGHBOUR_COLUMNS, RANKS, Answers
from barcodemae.identification.classification import Classifier
from barcodemae.identification.lineages import UNPLACED

_CALLED = {"species": "p_species_known", "genus": "p_genus", "family": "p_family"}
_VERDICTS = {"species": named.KNOWN, "genus": named.NEW, "family": named.NEW_GENUS}


def answer(
    classifier: Classifier, ids: Sequence[str], sequences: Sequence[str], batch_size: int = 64
) -> Answers:
    """Answers of a classifier to n barcodes.

    The deepest rank whose probability reaches its calibrated threshold is called; the taxa above it
    are those of its own lineage. There is no reference, so similarity, identity and nearest
    references are missing.
    """
    codes, placements = coi_grid().lay(sequences)
    calls = classifier.classify(sequences, batch_size)
    table = pd.DataFrame({"id": list(ids)}, dtype=object)
    for name in (*RANKS, "rank_called", "nearest_id", "nearest_species", "runner_up_genus"):
        table[name] = ""
    for rank, column in _CALLED.items():
        table[column] = calls[rank].probabilities.astype(float) if rank in calls else np.nan
    table["similarity"] = table["identity"] = np.nan
    table["ambiguous_with"] = ""
    table["verdict"] = named.NO_CALL
    lost = ~placements.placed & (classifier.embedder.grid is not None)  # others read anything
    table.loc[lost, "verdict"] = named.NOT_COI
    for rank in (rank for rank in RANKS if rank in calls):
        has_name = ~np.isin(calls[rank].taxa, ("", UNPLACED))
        rows = np.flatnonzero(calls[rank].confident & has_name)
        table.loc[rows, "rank_called"] = rank
        table.loc[rows, "verdict"] = _VERDICTS.get(rank, named.NO_CALL)
        for above, taxa in _lineages(classifier, rank, calls[rank].taxa[rows]).items():
            table.loc[rows, above] = taxa
    table["strand"] = np.where(placements.strand < 0, "-", "+")
    table.loc[lost, "strand"] = ""
    table["start"] = placements.start
    table["length"] = (codes < 4).sum(axis=1)
    phyla = table["phylum"].to_numpy()
    described = flags.describe(codes, placements, phyla, sequences)
    table["flags"] = ["; ".join(each) for each in described]
    queries = pd.DataFrame({"id": list(ids), "barcode": vectors.texts(codes)})
    card = {"name": "classifier", "ranks": classifier.lineages.ranks}
    none = pd.DataFrame(columns=list(NEIGHBOUR_COLUMNS))
    return Answers(table[list(named.COLUMNS)], none, queries, card)


def _lineages(classifier: Classifier, rank: str, taxa: np.ndarray) -> dict[str, list[str]]:
    """The taxa (n,) of a rank and those above them, of the ranks that answers have.

    Where a taxon stands under several of a rank (a genus of one name in two families), that rank
    stays empty.
    """
    lineages = classifier.lineages
    place = {name: index for index, name in enumerate(lineages.names[rank])}
    found = {}
    for above in RANKS[: RANKS.index(rank) + 1]:
        if above in lineages.names:
            of_taxon = {}
            for taxon in set(taxa):
                over = lineages.of_leaf[above][lineages.of_leaf[rank] == place[taxon]].unique()
                of_taxon[taxon] = lineages.names[above][int(over[0])] if len(over) == 1 else ""
            names = [of_taxon[taxon] for taxon in taxa]
            found[above] = ["" if name == UNPLACED else name for name in names]
    return found
