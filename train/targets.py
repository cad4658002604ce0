"""What a student is to learn of each barcode: a teacher's embeddings, fitted to its width."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from barcodemae.encoders import Encoder
from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.context import Context, Row
from barcodemae.evaluation.settings import Settings
from barcodemae.evaluation.splits import Barcodes, digest
from barcodemae.store import Store, content_key

# Of the largest variance: principal components with less are rounding errors, not to be blown up.
_NEGLIGIBLE = 1e-6


def teacher_targets(
    name: str,
    teacher: Encoder,
    barcodes: datasets.Dataset,
    training: np.ndarray,
    width: int,
    whiten: bool,
    seed: int,
    cache: Path,
    progress: bool,
) -> np.ndarray:
    """What the teacher makes of n barcodes at frame offset 0, in `width` dimensions.

    Embeddings are centred and turned to their first `width` principal components, both found on
    the training barcodes alone: the geometry in which 1-NN by cosine is judged, as far as so many
    dimensions hold it. Sparse ones (k-mer frequencies, k > 6) cannot be centred without becoming
    dense, so their rows are first scaled to length 1 and reduced by truncated SVD as they are; its
    components are then centred and turned like dense embeddings.

    Args:
        name: of the teacher, for messages.
        training: (m,) rows of `barcodes`.
        width: dimensions of the answer.
        whiten: divide the components by their standard deviation (with a millionth of the largest
            variance added to each, so that rounding errors stay small).
        cache: folder where embeddings, in shards, and targets are kept; made once for the same
            teacher, barcodes and options.

    Returns:
        (n, width) float32.

    Raises:
        BarcodeMAEError: the teacher has fewer dimensions than `width`, or there are fewer training
            barcodes.
    """
    sequences = barcodes["nucleotides"][:]
    dimensions = teacher.embed(sequences[:1]).shape[1]
    for number, what in (
        (dimensions, f"the teacher {name} gives {dimensions} dimensions"),
        (len(training), f"there are {len(training)} training barcodes"),
    ):
        if number < width:
            raise BarcodeMAEError(
                f"{what}, from which no {width} principal components can be had: choose a student "
                'that is narrower, for example --model_overrides "{hidden_size: 64}"'
            )

    def compute() -> dict[str, np.ndarray]:
        table = Barcodes(pd.DataFrame({"nucleotides": sequences, "split": "all"}))
        context = Context(table, Settings(), Store(cache), progress)
        embeddings = context.embed(Row(name, teacher), table.get("all")).vectors
        return {"targets": _reduced(embeddings, training, width, whiten, seed)}

    key = content_key(
        teacher=teacher.fingerprint,
        barcodes=digest(sequences),
        training=digest([sequences[row] for row in training]),
        width=width,
        whiten=whiten,
        seed=seed,
    )
    return Store(cache).arrays(key, compute)["targets"]


def _reduced(embeddings, training: np.ndarray, width: int, whiten: bool, seed: int) -> np.ndarray:
    steps = []
    if sparse.issparse(embeddings):
        steps = [Normalizer(), TruncatedSVD(width, random_state=seed)]
    pca = PCA(width, random_state=seed)
    pipeline = make_pipeline(*steps, pca).fit(embeddings[training])
    targets = pipeline.transform(embeddings)
    if whiten:
        variance = pca.explained_variance_
        targets /= np.sqrt(variance + _NEGLIGIBLE * variance[0])
    return targets.astype(np.float32)
