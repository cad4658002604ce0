"""Pictures for a talk: verdicts by order, and a map of embeddings coloured by verdict."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from barcodemae.errors import BarcodeMAEError
from barcodemae.evaluation.figures import STYLE
from barcodemae.identification.answers import KNOWN, NEW, NEW_GENUS, NO_CALL, NOT_COI, VERDICTS
from barcodemae.outputs import write_whole
from barcodemae.reports.summary import by_order

KINDS = (".png", ".svg", ".pdf")
# Okabe and Ito, told apart by colour-blind readers; and by their marks where colours fail.
_STYLES = {
    KNOWN: ("#009E73", "o"),
    NEW: ("#E69F00", "^"),
    NEW_GENUS: ("#0072B2", "s"),
    NO_CALL: ("#999999", "v"),
    NOT_COI: ("#000000", "x"),
}
_MOST_ORDERS = 12
_MOST_POINTS = 5000


def check_picture(path: Path) -> None:
    """Raise BarcodeMAEError where the ending names no picture."""
    if path.suffix not in KINDS:
        raise BarcodeMAEError(f"{path}: pictures are {', '.join(KINDS)}; give the file such an end")


def verdicts_by_order(table: pd.DataFrame, path: Path) -> None:
    """Draw the numbers of verdicts in each order.

    Args:
        table: with the columns `verdict` and `order`, as `barcodemae identify` writes it.
        path: to write, PNG, SVG or PDF.
    """
    counts = by_order(table)
    if len(counts) > _MOST_ORDERS:
        rest = counts.iloc[_MOST_ORDERS - 1 :]
        others = rest.sum().to_frame(f"{len(rest)} other orders").T
        counts = pd.concat([counts.iloc[: _MOST_ORDERS - 1], others])
    with rc_context(STYLE):
        figure = Figure(figsize=(9, 1.8 + 0.42 * len(counts)))
        axes = figure.add_subplot()
        places, done = np.arange(len(counts))[::-1], np.zeros(len(counts))
        for verdict in [each for each in VERDICTS if counts[each].any()]:
            numbers = counts[verdict].to_numpy()
            axes.barh(
                places, numbers, left=done, color=_STYLES[verdict][0], label=_label(table, verdict)
            )
            done += numbers
        axes.set_yticks(places, counts.index)
        axes.set_xlabel("barcodes")
        axes.set_ylabel("order")
        axes.grid(axis="y", visible=False)
        _finish(figure, axes, path)


def embedding_map(
    vectors: np.ndarray, path: Path, verdicts: Sequence[str] | None = None, seed: int = 0
) -> str:
    """Draw embeddings (n, dim) on a plane, by UMAP or, where it is not installed, by t-SNE.

    Args:
        vectors: (n, dim); of more than 5,000 as many are drawn at random.
        path: to write, PNG, SVG or PDF.
        verdicts: (n,) of `VERDICTS`; "" or None: not known.
        seed: of the choice and of the plane.

    Returns:
        What was drawn, in words.

    Raises:
        BarcodeMAEError: there are fewer than four.
    """
    if len(vectors) < 4:
        raise BarcodeMAEError(
            f"{path}: a map needs four embeddings or more; here are {len(vectors)}"
        )
    chosen = np.random.default_rng(seed).permutation(len(vectors))[:_MOST_POINTS]
    method, plane = _on_a_plane(vectors[chosen], seed)
    title = f"{method} of {len(chosen):,} embeddings (cosine)"
    verdicts = np.array(["" if verdicts is None else v for v in verdicts or [""] * len(vectors)])
    with rc_context(STYLE):
        figure = Figure(figsize=(7, 7.4))
        axes = figure.add_subplot()
        shown = pd.DataFrame({"verdict": verdicts[chosen]})
        for verdict in [each for each in ("", *VERDICTS) if (shown["verdict"] == each).any()]:
            points = plane[(shown["verdict"] == verdict).to_numpy()]
            colour, mark = _STYLES.get(verdict, ("#0072B2", "."))
            axes.scatter(*points.T, s=22, color=colour, marker=mark, label=_label(shown, verdict))
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_box_aspect(1)
        axes.set_xlabel(title)
        _finish(figure, axes, path)
    return title


def _label(table: pd.DataFrame, verdict: str) -> str:
    return f"{verdict or 'no verdict'} ({(table['verdict'] == verdict).sum():,})"


def _on_a_plane(vectors: np.ndarray, seed: int) -> tuple[str, np.ndarray]:
    if find_spec("umap") is not None:
        from umap import UMAP

        near = min(15, len(vectors) - 1)
        start = "spectral" if len(vectors) > 50 else "random"
        plane = UMAP(metric="cosine", n_neighbors=near, init=start, random_state=seed, n_jobs=1)
        return "UMAP", plane.fit_transform(vectors)
    from sklearn.manifold import TSNE

    perplexity = min(30, (len(vectors) - 1) / 3)
    plane = TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=seed)
    return "t-SNE", plane.fit_transform(vectors)


def _finish(figure: Figure, axes, path: Path) -> None:
    """With the legend above, where it covers nothing."""
    handles, _ = axes.get_legend_handles_labels()
    if handles:
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.3
        )
    check_picture(path)

    def write(partial: Path) -> None:
        figure.savefig(partial, format=path.suffix[1:], dpi=200, bbox_inches="tight")

    write_whole(path, write)
