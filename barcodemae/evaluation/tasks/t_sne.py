"""t-SNE of small genera, models side by side (paper, Figure 2)."""

from __future__ import annotations

import numpy as np
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.context import Context, Row
from barcodemae.evaluation.scores import records
from barcodemae.evaluation.splits import digest
from barcodemae.identification.transforms import dense
from barcodemae.store import Stopwatch, content_key

TASK = "t-sne"
_SMALLEST = 3  # barcodes of a genus: fewer show no cluster


def check(context: Context) -> None:
    genera = eligible(context)
    if len(genera) < 2:
        raise BarcodeMAEError(
            f"t-SNE draws genera of {_SMALLEST} to {context.settings.tsne_smaller_than - 1} "
            f"barcodes; the split {context.query.name!r} has {len(genera)}. Leave out the task or "
            "choose another --query"
        )
    if len(genera) < context.settings.tsne_genera:
        context.warnings.append(
            f"t-SNE: {len(genera)} genera are small enough, not {context.settings.tsne_genera}"
        )


def eligible(context: Context) -> np.ndarray:
    """Genera of the query split with few barcodes, in order."""
    genera, counts = np.unique(context.query.labels("genus"), return_counts=True)
    fits = (counts >= _SMALLEST) & (counts < context.settings.tsne_smaller_than)
    return genera[fits & (genera != "")]


def drawn(context: Context) -> np.ndarray:
    """(n,) bool: the barcodes of the genera drawn, the same for every model."""
    genera = eligible(context)
    generator = np.random.default_rng(context.settings.seed)
    number = min(context.settings.tsne_genera, len(genera))
    return np.isin(context.query.labels("genus"), generator.choice(genera, number, replace=False))


def run(row: Row, context: Context) -> list[dict]:
    """Draw the points into `context.points`; record how apart the genera lie."""
    rows = drawn(context)
    genera = context.query.labels("genus")[rows]
    found = _points(row, context, rows)
    context.points[row.model] = {"xy": found["xy"], "genera": genera.tolist()}
    how = {
        "query": context.settings.query,
        "genera": len(set(genera)),
        "smaller_than": context.settings.tsne_smaller_than,
        **row.options,
    }
    values = {metric: found[metric] for metric in ("kl_divergence", "silhouette")}
    common = {"n": len(genera), "seed": context.settings.seed, "duration": found["seconds"]}
    return records(row.model, TASK, values, settings=how, **common)


def _points(row: Row, context: Context, rows: np.ndarray) -> dict:
    """`xy`, `kl_divergence`, the `silhouette` of genera (cosine, before t-SNE) and `seconds`."""
    settings = context.settings
    key = content_key(
        task=TASK,
        row=context.fingerprint(row),
        barcodes=context.query.content,
        rows=np.flatnonzero(rows).tolist(),
        genera=digest(context.query.labels("genus")[rows]),
        seed=settings.seed,
    )

    def compute() -> dict:
        embedded = context.embed(row, context.query)
        watch = Stopwatch()
        (vectors,) = dense(context.transform_of(row)(embedded.vectors)[rows])
        perplexity = min(30, (len(vectors) - 1) / 3)
        tsne = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=settings.seed)
        xy = tsne.fit_transform(vectors)
        genera = context.query.labels("genus")[rows]
        return {
            "xy": xy.round(3).tolist(),
            "kl_divergence": float(tsne.kl_divergence_),
            "silhouette": float(silhouette_score(vectors, genera, metric="cosine")),
            "seconds": watch.read()[0] + embedded.wall_seconds,
        }

    return context.store.values(key, compute)
