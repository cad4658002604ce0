"""Put sequencing errors into barcodes, with the edit tags that undo them."""

import numpy as np

from barcodemae.checking.tags import DROP, INSERT, KEEP, REPLACE
from grid_barcodemae import UNKNOWN

SUBSTITUTION, INSERTION, DELETION = range(3)
# Of real errors in nanopore consensus barcodes: 20 % substituted, 25 % extra, 54 % missing.
REAL_MIX = np.array([0.2, 0.25, 0.55])
EVEN_MIX = np.full(3, 1 / 3)
_MARGIN = 5  # errors nearer to an end cannot be told from where the barcode was cut
_RUN = 3  # equal letters in a row that sequencers miscount


def corrupt(
    codes: np.ndarray,
    rng: np.random.Generator,
    errors: int,
    mix: np.ndarray = REAL_MIX,
    in_runs: float = 0.5,
) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n,) with about so many errors in them (m,), and the tags (m + 1,) that undo them.

    Args:
        codes: 0 to 3 = A, C, G, T, 4 = unknown; at least 16 of them.
        errors: how many to draw; those that fall beside another one are left out.
        mix: shares of substitutions, insertions and deletions.
        in_runs: share of insertions and deletions that fall into runs of equal letters.
    """
    out, tags = codes.copy(), np.full(len(codes) + 1, KEEP, dtype=np.int64)
    runs = _in_runs(codes)
    last = len(codes)
    for place, kind in sorted(_draw(len(codes), runs, rng, errors, mix, in_runs), reverse=True):
        code = codes[place]
        # From the end on, so that places before are still where they were.
        if place > last - 3 or code == UNKNOWN or tags[place] != KEEP:
            continue
        last = first = place
        if kind == SUBSTITUTION:
            out[place] = (code + rng.integers(1, 4)) % 4
            tags[place] = REPLACE + code
        elif kind == INSERTION:
            extra = code if runs[place] else rng.integers(4)
            out, tags = np.insert(out, place, extra), np.insert(tags, place, DROP)
            first = _first_of_run(out, tags, place, extra)
            tags[place], tags[first] = KEEP, DROP
        else:
            out, tags = np.delete(out, place), np.delete(tags, place)
            first = _first_of_run(out, tags, place, code)
            tags[first] = INSERT + code
        last = first
    return out, tags


def _draw(length, runs, rng, errors, mix, in_runs):
    inner = np.arange(_MARGIN, length - _MARGIN)
    miscounted = inner[runs[inner]]
    for kind in rng.choice(3, errors, p=mix):
        often = kind != SUBSTITUTION and len(miscounted) and rng.random() < in_runs
        yield int(rng.choice(miscounted if often else inner)), int(kind)


def _in_runs(codes: np.ndarray) -> np.ndarray:
    """(n,) whether a nucleotide stands in a run of at least three."""
    edges = np.flatnonzero(np.diff(codes)) + 1
    lengths = np.diff(np.concatenate([[0], edges, [len(codes)]]))
    return np.repeat(lengths >= _RUN, lengths) & (codes < UNKNOWN)


def _first_of_run(codes, tags, place: int, code: int) -> int:
    while place and codes[place - 1] == code and tags[place - 1] == KEEP:
        place -= 1
    return place


def mask(
    codes: np.ndarray, tags: np.ndarray, rng: np.random.Generator, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mask a share of the nucleotides to keep: unknown in codes, in tags what they were."""
    codes, tags = codes.copy(), tags.copy()
    known = (tags[:-1] == KEEP) & (codes < UNKNOWN)
    chosen = np.flatnonzero(known & (rng.random(len(codes)) < share))
    tags[chosen] = REPLACE + codes[chosen].astype(np.int64)
    codes[chosen] = UNKNOWN
    return codes, tags
