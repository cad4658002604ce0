"""What can be done to embeddings without training: each is fitted on the reference set alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.pipeline import make_pipeline

from barcodemae.encoders.sites import site_means
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification.vectors import fit_map

# Done when embedding, not here, and meant for encoders whose k-mers do not overlap: barcodes put on
# the reference's grid, see `placement`; the mean over the k frame offsets.
ALIGNED, OFFSETS = FRAMES = ("aligned", "offsets")
METRIC, DISCRIMINANTS = SUPERVISED = ("metric", "discriminants")
NAMES = (*FRAMES, "centre", "whiten", *SUPERVISED)
_MANY_DIMENSIONS, _COMPONENTS = 1024, 400

Transform = Callable[[np.ndarray], np.ndarray]


def parse_variants(text: str) -> list[tuple[str, ...]]:
    """Read "offsets,offsets+whiten": variants by commas, each of options joined with "+".

    Raises:
        BarcodeMAEError: there is no such option.
    """
    # One that is named twice, "centre,centre", is one row.
    return list(dict.fromkeys(parse_options(part) for part in text.split(",") if part.strip()))


def parse_options(text: str) -> tuple[str, ...]:
    """Read "offsets+whiten": options joined with "+", in the order in which they are applied.

    Raises:
        BarcodeMAEError: there is no such option.
    """
    names = [name.strip() for name in text.split("+") if text.strip()]
    for name in names:
        if name not in NAMES:
            raise BarcodeMAEError(
                f"no inference option {name!r} (in {text.strip()!r}). "
                f"Options: {', '.join(NAMES)}; join several with +"
            )
    return tuple(name for name in NAMES if name in names)


def is_supervised(names: Sequence[str]) -> bool:
    """Whether any of the options reads labels."""
    return not set(names).isdisjoint(SUPERVISED)


def check_labels(labels: np.ndarray) -> None:
    """Raise BarcodeMAEError where discriminants cannot be fitted to labels (m,), "" if missing."""
    known = labels[labels != ""]
    taxa = len(np.unique(known))
    if taxa < 2 or len(known) <= taxa:
        raise BarcodeMAEError(
            "metric and discriminants need at least two taxa and several barcodes of each; the "
            f"reference has {len(known)} labelled barcodes of {taxa} taxa. Leave the option out of "
            "--variants or give a larger reference."
        )


def fit(names: Sequence[str], reference, labels: np.ndarray, seed: int = 0) -> Transform:
    """Fit the options `names` on reference embeddings.

    centre: the reference mean is taken off. whiten: the principal components of the reference get
    unit variance. metric (supervised): see `metric`. discriminants
    (supervised): linear discriminants of the reference's labels.
    Vectors of more than 1024 dimensions are first reduced to 400 components of the reference,
    sparse ones (k-mers, k > 6) after TF-IDF weighting.

    Args:
        names: of `NAMES`; without any, the answer changes nothing.
        reference: (m, dim) embeddings, dense or CSR.
        labels: (m,) taxa, "" where missing; read by the discriminants alone.

    Returns:
        A function (n, dim) -> (n, dim'), float32.

    Raises:
        BarcodeMAEError: there is one reference, or the discriminants lack labels.
    """
    wanted = [name for name in NAMES if name in names and name not in FRAMES]
    if not wanted:
        return lambda embeddings: embeddings
    if reference.shape[0] < 2:
        raise BarcodeMAEError(
            f"{wanted[0]} is fitted on the references, and there is {reference.shape[0]}: give two "
            "or more, or leave the option out"
        )
    steps = [*reduction(reference, seed, METRIC in wanted), *(_STEPS[name]() for name in wanted)]
    pipeline = make_pipeline(*steps)
    if is_supervised(wanted):
        check_labels(labels)
        known = labels != ""
        pipeline.fit(reference[known], labels[known])
    else:
        pipeline.fit(reference)
    return lambda embeddings: np.asarray(pipeline.transform(embeddings), dtype=np.float32)


def reduction(embeddings, seed: int, whole: bool = False) -> list:
    """The steps that bring very wide or sparse vectors (n, dim) down to 400 dense components.

    With `whole` dense vectors stay as wide as they are.
    """
    components = min(_COMPONENTS, min(embeddings.shape) - 1)
    if sparse.issparse(embeddings):
        return [TfidfTransformer(), TruncatedSVD(components, random_state=seed)]
    if embeddings.shape[1] > _MANY_DIMENSIONS and not whole:
        return [PCA(components, random_state=seed)]
    return []


def dense(reference, *others, seed: int = 0) -> list[np.ndarray]:
    """Make embeddings readable for what knows no CSR: sparse ones reduced as `reference` says.

    Returns:
        `reference` and `others`; unchanged if they are dense already.
    """
    if not sparse.issparse(reference):
        return [reference, *others]
    pipeline = make_pipeline(*reduction(reference, seed)).fit(reference)
    return [pipeline.transform(vectors).astype(np.float32) for vectors in (reference, *others)]


class MapStep(TransformerMixin, BaseEstimator):
    """An option that is a map of `vectors.fit_map`.

    The metric of `sites` is pooled with the shipped scatter.
    """

    def __init__(self, inference: str):
        self.inference = inference

    def fit(self, embeddings: np.ndarray, labels=None) -> MapStep:
        is_sites = embeddings.shape[1] == site_means().size
        fitted = fit_map(self.inference, np.asarray(embeddings), labels, is_sites)
        assert fitted is not None  # the option "none" alone has no map
        self.map_ = fitted
        return self

    def transform(self, embeddings: np.ndarray) -> np.ndarray:
        return self.map_(np.asarray(embeddings))


_STEPS = {
    **{name: partial(MapStep, name) for name in ("centre", "whiten", METRIC)},
    DISCRIMINANTS: LinearDiscriminantAnalysis,
}
