"""Naming barcodes by their nearest neighbours in a reference library: exact cosine search, vote."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

_TILE_REFERENCE, _TILE_QUERY = 4096, 4096  # 64 MiB of similarities at a time
_EQUAL = 1e-6  # cosine; identical barcodes are neighbours of the same rank


def nearest(
    reference: np.ndarray | sparse.csr_matrix,
    query: np.ndarray | sparse.csr_matrix,
    k: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k most similar references of each query by cosine, exactly.

    The labels that follow are those of scikit-learn's `KNeighborsClassifier(k, metric="cosine")`;
    going by tiles spares the (query, reference) matrix and the normalised copy of the reference.

    Args:
        reference: (m, dim) embeddings, dense or CSR.
        query: (n, dim) embeddings of the same kind.
        k: neighbours, at most m.

    Returns:
        similarities (n, k), float32, falling; indices (n, k) into the reference, int64. A vector of
        zeros is similar to nothing (0). Equal similarities stand in no stated order.

    Raises:
        ValueError: k is not in 1..m, or the dimensions differ.
    """
    if not 1 <= k <= reference.shape[0]:
        raise ValueError(f"k = {k}: there are {reference.shape[0]} references; k is from 1 to that")
    if reference.shape[1] != query.shape[1]:
        raise ValueError(
            f"the dimensions differ: reference {reference.shape[1]}, query {query.shape[1]}"
        )
    similarities = np.full((query.shape[0], k), -np.inf, dtype=np.float32)
    indices = np.zeros((query.shape[0], k), dtype=np.int64)
    for first in range(0, query.shape[0], _TILE_QUERY):
        rows = slice(first, first + _TILE_QUERY)
        query_tile = _unit(query[rows])
        for start in range(0, reference.shape[0], _TILE_REFERENCE):
            reference_tile = _unit(reference[start : start + _TILE_REFERENCE])
            best, at = _best(_product(query_tile, reference_tile), k)
            best = np.concatenate([similarities[rows], best], axis=1)
            at = np.concatenate([indices[rows], at + start], axis=1)
            # Stable: among equals the earlier tile stays in front.
            order = np.argsort(-best, axis=1, kind="stable")[:, :k]
            similarities[rows] = np.take_along_axis(best, order, axis=1)
            indices[rows] = np.take_along_axis(at, order, axis=1)
    return similarities, indices


def _unit(tile):
    """Rows of length 1; a row of zeros stays."""
    if sparse.issparse(tile):
        norms = np.sqrt(np.asarray(tile.multiply(tile).sum(axis=1)).ravel())
        return sparse.diags_array(1 / np.where(norms == 0, 1, norms)) @ tile
    tile = torch.from_numpy(np.ascontiguousarray(tile, dtype=np.float32))
    return tile / tile.norm(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)


def _product(query_tile, reference_tile) -> torch.Tensor:
    if sparse.issparse(query_tile):
        return torch.from_numpy((query_tile @ reference_tile.T).toarray().astype(np.float32))
    return query_tile @ reference_tile.T  # (queries, references)


def _best(similarities: torch.Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best of each row (fewer where the tile is narrower), with their columns."""
    if k == 1:
        best, at = similarities.max(dim=1, keepdim=True)
    else:
        best, at = similarities.topk(min(k, similarities.shape[1]), dim=1)
    return best.numpy(), at.numpy()


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
    reference, query = _scaled(exact[::2][chosen[:, 0]]), _scaled(exact[1::2])
    return float(((reference * query).sum(axis=1) >= best[:, 0] - _EQUAL).mean())


def _scaled(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-30)
