"""Naming barcodes by their nearest neighbours in a reference library: exact cosine search, vote."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.preprocessing import normalize
from sklearn.utils import gen_batches
from sklearn.utils.extmath import row_norms, safe_sparse_dot

_SIMILARITIES = 1 << 24  # held at a time, 64 MiB
_EQUAL = 1e-6  # cosine; identical barcodes are neighbours of the same rank


def nearest(
    reference: np.ndarray | sparse.csr_matrix,
    query: np.ndarray | sparse.csr_matrix,
    k: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k most similar references of each query by cosine, exactly.

    The labels that follow are those of scikit-learn's `KNeighborsClassifier(k, metric="cosine")`,
    which leaves open which of equally near references it takes.

    Args:
        reference: (m, dim) embeddings, dense or CSR.
        query: (n, dim) embeddings of the same kind.
        k: neighbours, at most m.

    Returns:
        similarities (n, k), float32, falling; indices (n, k) into the reference, int64. A vector of
        zeros is similar to nothing (0). Of equals the first reference is the nearest one.

    Raises:
        ValueError: k is not in 1..m, or the dimensions differ.
    """
    if not 1 <= k <= reference.shape[0]:
        raise ValueError(f"k = {k}: there are {reference.shape[0]} references; k is from 1 to that")
    # The products are divided, and not the references: a copy of these may be gigabytes.
    lengths = row_norms(reference)
    lengths[lengths == 0] = 1
    similarities = np.empty((query.shape[0], k), dtype=np.float32)
    indices = np.empty((query.shape[0], k), dtype=np.int64)
    for rows in gen_batches(query.shape[0], max(_SIMILARITIES // reference.shape[0], 1)):
        found = safe_sparse_dot(normalize(query[rows]), reference.T, dense_output=True)
        found /= lengths
        at = found.argmax(axis=1)[:, None] if k == 1 else _highest(found, k)
        similarities[rows], indices[rows] = np.take_along_axis(found, at, axis=1), at
    return similarities, indices


def _highest(values: np.ndarray, k: int) -> np.ndarray:
    """Columns (n, k) of the highest in each row, falling."""
    at = np.sort(np.argpartition(-values, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(-np.take_along_axis(values, at, axis=1), axis=1, kind="stable")
    return np.take_along_axis(at, order, axis=1)


def vote(
    similarities: np.ndarray, codes: np.ndarray, temperature: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Settle on one label for each query by a vote weighted with similarity.

    Args:
        similarities: (n, k), falling.
        codes: (n, k) integer labels of the neighbours.
        temperature: of a softmax of the similarities, by which they are weighted then (BarcodeMAE+
            takes 0.02); 0: by the similarities themselves.

    Returns:
        (n,) the winning label, and its share (n,) of the votes. Of labels with equal votes the one
        whose barcode is nearest wins.
    """
    same = codes[:, :, None] == codes[:, None, :]  # (n, k, k)
    weights = np.clip(similarities, 0, None)
    if temperature:
        weights = np.exp((similarities - similarities[:, :1]) / temperature)
    votes = (same * weights[:, None, :]).sum(axis=2)  # (n, k): votes for the label in each place
    winner = votes.argmax(axis=1)  # the first of equals, and so the nearest
    rows = np.arange(len(codes))
    total = weights.sum(axis=1)
    return codes[rows, winner], votes[rows, winner] / np.where(total == 0, 1, total)


def neighbour_agreement(exact: np.ndarray, near: np.ndarray) -> float:
    """Share of barcodes whose nearest neighbour (1-NN, cosine) is the same in both embeddings.

    Every second barcode is a query and the others are the reference. A neighbour that is as near
    as the nearest counts as the same.

    Args:
        exact, near: (n, dim) of the same n >= 2 barcodes, in fp32 and in fewer bits.
    """
    best, _ = nearest(exact[::2], exact[1::2])
    _, chosen = nearest(near[::2], near[1::2])
    reference, query = normalize(exact[::2][chosen[:, 0]]), normalize(exact[1::2])
    return float(((reference * query).sum(axis=1) >= best[:, 0] - _EQUAL).mean())
