"""Stop codons within a barcode, by the mitochondrial code of its phylum."""

from functools import cache

import numpy as np
from Bio.Data import CodonTable

FIRST_CODON = 1  # column of the grid where the first whole codon begins
# NCBI's numbers of mitochondrial codes.
INVERTEBRATE = 5
CODES = {
    "Chordata": 2,
    "Cnidaria": 4,
    "Ctenophora": 4,
    "Porifera": 4,
    "Echinodermata": 9,
    "Platyhelminthes": 9,
    "Hemichordata": 24,
}


@cache
def stop_codons(phylum: str | None) -> tuple[int, ...]:
    """The stop codons of a phylum as numbers in base 5, each letter's code a digit.

    A phylum that is unknown or not listed gets the invertebrate code.
    """
    table = CodonTable.unambiguous_dna_by_id[CODES.get(phylum or "", INVERTEBRATE)]
    stops = []
    for codon in table.stop_codons:
        first, second, third = ("ACGT".index(letter) for letter in codon)
        stops.append(25 * first + 5 * second + third)
    return tuple(stops)


def find_stops(codes: np.ndarray, columns: np.ndarray, phylum: str | None = None) -> list[int]:
    """Where in a barcode stop codons begin.

    Args:
        codes: (n,) nucleotides, 0 to 3 = A, C, G, T, 4 = unknown.
        columns: (n,) the column of the grid that each stands in, -1 where in none.
    """
    if len(codes) < 3:
        return []
    begins = (columns[:-2] - FIRST_CODON) % 3 == 0
    begins &= columns[:-2] >= FIRST_CODON
    begins &= (columns[1:-1] == columns[:-2] + 1) & (columns[2:] == columns[:-2] + 2)
    values = codes.astype(np.int64)
    codons = 25 * values[:-2] + 5 * values[1:-1] + values[2:]
    return np.flatnonzero(begins & np.isin(codons, stop_codons(phylum))).tolist()
