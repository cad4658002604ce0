"""Embeddings that were made on another machine, for what does not need the encoder any more."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from barcodemae.encoders.corruption import Corruption
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.splits import BarcodeSet
from barcodemae.outputs import write_whole


def save_embeddings(path: Path, vectors: np.ndarray | sparse.csr_matrix, barcodes: BarcodeSet):
    """Write the embeddings (n, dim) of `barcodes` in half precision."""
    dense = vectors.toarray() if sparse.issparse(vectors) else vectors

    def write(partial: Path) -> None:
        with open(partial, "wb") as file:
            digest = np.array(barcodes.digest)
            np.savez_compressed(file, vectors=dense.astype(np.float16), digest=digest)

    write_whole(path, write)


class SavedEmbeddings:
    """An encoder that looks its answers up.

    Args:
        path: a file of `save_embeddings`.
        barcodes: those that it was made from.
        origin: what the report says of it.

    Raises:
        BarcodeMAEError: the file is not there, or holds the embeddings of other barcodes.
    """

    corruptions = ()
    num_offsets = 1

    def __init__(self, path: Path, barcodes: BarcodeSet, origin: str):
        try:
            with np.load(path, allow_pickle=False) as found:
                vectors, digest = found["vectors"].astype(np.float32), str(found["digest"])
        except FileNotFoundError as error:
            raise BarcodeMAEError(
                f"{path}: not there. Copy the folder embeddings/ of the machine that trained, or "
                "remove the run's line from results.jsonl to judge it again."
            ) from error
        if digest != barcodes.digest:
            raise BarcodeMAEError(
                f"{path}: holds the embeddings of other barcodes than {barcodes.name} of --data. "
                "Give the --data that the run was judged on."
            )
        self._vectors = dict(zip(barcodes.sequences, vectors, strict=True))
        self.fingerprint = hashlib.sha256(vectors.tobytes()).hexdigest()
        self.settings = {"encoder": origin, "dimensions": vectors.shape[1], "stored": "float16"}

    def embed(
        self, sequences: Sequence[str], offset: int = 0, corruption: Corruption | None = None
    ) -> np.ndarray:
        """(n, dim) float32."""
        return np.stack([self._vectors[sequence] for sequence in sequences])
