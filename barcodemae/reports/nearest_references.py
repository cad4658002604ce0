"""The nearest references of each query, and the sites at which they differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from barcodemae.identification.answers import Answers

UNKNOWN = ord("N")


def neighbours_of(answers: Answers) -> list[slice]:
    """For each query, in order, its rows of `answers.neighbours`.

    Queries that share an id are told apart: rows follow one another in the order of the queries,
    and each query's positions begin at 1.
    """
    ids = answers.neighbours["id"].tolist()
    positions = answers.neighbours["position"].tolist()
    slices, start = [], 0
    for query in answers.table["id"].tolist():
        stop = start
        while stop < len(ids) and ids[stop] == query and (stop == start or positions[stop] > 1):
            stop += 1
        slices.append(slice(start, stop))
        start = stop
    return slices


@dataclass
class Differences:
    """How a query and its m references differ, site by site.

    Attributes:
        sites: (s,) sites of the grid, counted from 0, where a reference differs from the query.
        letters: (1 + m, s) bytes: the query's letters, then each reference's.
        counts: (m,) sites where each reference differs.
        common: (m,) sites that each reference and the query both have.
        distances: (1 + m, 1 + m) share of different sites; 1 where there is no common site.
    """

    sites: np.ndarray
    letters: np.ndarray
    counts: np.ndarray
    common: np.ndarray
    distances: np.ndarray


def differences(query: str, references: list[str]) -> Differences:
    """Compare barcodes on the grid, all of one length, N where unknown."""
    letters = np.stack(
        [np.frombuffer(barcode.encode("ascii"), np.uint8) for barcode in (query, *references)]
    )
    known = letters != UNKNOWN
    both = known[:, None] & known[None]  # (1 + m, 1 + m, sites)
    unequal = (letters[:, None] != letters[None]) & both
    common, counts = both.sum(2), unequal.sum(2)
    distances = np.where(common > 0, counts / np.maximum(common, 1), 1.0)
    np.fill_diagonal(distances, 0.0)  # also of a barcode with no known site
    sites = np.flatnonzero(unequal[0].any(axis=0))
    return Differences(sites, letters[:, sites], counts[0, 1:], common[0, 1:], distances)
