"""Queries on a tree of references: the edge and the place on it that fit the distances best.

The backbone is given, or joined (neighbour joining) from the references nearest to the queries.
Distances are the share of differing nucleotides on the common sites, corrected for repeated hits by
Jukes and Cantor. On each edge the place and the pendant length follow by least squares, distant
references counting less, as in APPLES (Balaban et al. 2020). Where EPA-ng or APPLES is installed,
that places the queries on the same backbone: see `placement_programs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from barcodemae import __version__
from barcodemae.data.grid import coi_grid
from barcodemae.errors import BarcodeMAEError
from barcodemae.identification import bits, placement_programs
from barcodemae.identification.answers import RANKS
from barcodemae.identification.library import Library
from barcodemae.identification.search import nearest_by_identity

BACKBONE = 200  # references that a joined backbone holds; a choice: neighbour joining is cubic
LEAST_SQUARES = "least-squares"
FIELDS = ("edge_num", "residual", "distal_length", "pendant_length", "taxon")
_ENOUGH = 100  # common sites, without a difference, that make a query a copy of a reference; chosen
_LEAST_DISTANCE = 1e-3  # below which references count alike; chosen: less than one of 658 sites
_SATURATED = 0.7  # share of differing sites; Jukes and Cantor's formula has no answer from 0.75 on


@dataclass
class Backbone:
    """A tree whose tips are references; edges are numbered by the node below them, tips first.

    Attributes:
        newick: with edge numbers in braces, as jplace wants it.
        order: (t,) the places in `tips` of the tips as they come in `newick`; edge e < t is that
            of the tip order[e].
        tips: (t,) places of the references in the library.
        lengths: (e,) of the edges.
        below: (e, t) whether a tip lies below an edge.
        down, up: (e, t) distance of each tip from the lower and from the upper end of an edge.
    """

    newick: str
    order: np.ndarray
    tips: np.ndarray
    lengths: np.ndarray
    below: np.ndarray
    down: np.ndarray
    up: np.ndarray


def place(
    library: Library,
    ids: Sequence[str],
    barcodes: Sequence[str],
    tree: Path | None = None,
    method: str = "",
) -> dict:
    """Place n queries; a jplace document (version 3), `FIELDS` or a program's for each.

    Queries that are no COI are left out.

    Args:
        library: opened.
        ids: n of them.
        barcodes: n texts.
        tree: Newick whose tips are ids of the library; None: neighbour joining.
        method: `LEAST_SQUARES`, or of `placement_programs.EXECUTABLES`; "": what is installed.

    Raises:
        BarcodeMAEError: fewer than three references, a tree whose tips are no ids of them, or as
            `placement_programs`.
    """
    method = placement_programs.chosen(method, LEAST_SQUARES)
    codes, placements = coi_grid().lay(barcodes)
    planes = bits.pack(codes)
    usable = np.flatnonzero(placements.placed & (placements.overlap > 0))
    if not len(usable):
        raise BarcodeMAEError("no query fits the COI grid, so none can be placed")
    backbone = _given(library, tree) if tree else _joined(library, planes[usable])
    fit = _by_least_squares if method == LEAST_SQUARES else _by_program
    newick, fields, found = fit(library, backbone, planes[usable], method)
    names = np.array([str(name) for name in ids], dtype=object)
    rows = usable[sorted(found)]
    return {
        "version": 3,
        "tree": newick,
        "fields": fields,
        "placements": [{"p": found[at], "n": [names[usable[at]]]} for at in sorted(found)],
        "metadata": {
            "software": f"barcodemae {__version__}",
            "method": _METHODS[method],
            "backbone": str(tree) if tree else f"neighbour joining of {len(backbone.tips)} nearest",
            "left_out": np.delete(names, rows).tolist(),
        },
    }


_METHODS = {
    LEAST_SQUARES: "least squares on Jukes-Cantor distances",
    placement_programs.EPA_NG: "EPA-ng, GTR counted from the references",
    placement_programs.APPLES: "APPLES on Jukes-Cantor distances",
}


def _by_least_squares(library: Library, backbone: Backbone, planes: np.ndarray, method: str):
    """The tree, `FIELDS`, and query -> its one placement."""
    taxa = _edge_taxa(library, backbone.tips, dict(enumerate(backbone.below)))
    found = {}
    for row, query in enumerate(planes):
        equal, common = bits.compare(query, library.planes[backbone.tips])
        distances = _corrected(equal, common)
        edge, residual, distal, pendant = best_edge(backbone, distances, common)
        same = np.where(equal == common, common, 0)
        if same.max() >= _ENOUGH:
            # A copy belongs to its tip, even where another edge fits all distances better.
            edge = int(np.flatnonzero(backbone.order == same.argmax())[0])
            residual = float(_weights(distances, common) @ (distances - backbone.down[edge]) ** 2)
            distal, pendant = 0.0, 0.0
        values = [int(edge), round(residual, 6), round(distal, 6), round(pendant, 6), taxa[edge]]
        found[row] = [values]
    return backbone.newick, list(FIELDS), found


def _by_program(library: Library, backbone: Backbone, planes: np.ndarray, method: str):
    """The same by a program, whose fields get the taxon below the edge beside them."""
    tips = backbone.tips[backbone.order]
    tree, fields, found = placement_programs.place(
        method, backbone.newick, library.planes[tips], planes
    )
    taxa = _edge_taxa(library, tips, placement_programs.tips_below(tree, len(tips)))
    edge = fields.index("edge_num")
    placed = {row: [[*each, taxa[each[edge]]] for each in all_] for row, all_ in found.items()}
    return placement_programs.named(tree, library.ids(tips).tolist()), [*fields, "taxon"], placed


def best_edge(
    backbone: Backbone, distances: np.ndarray, common: np.ndarray
) -> tuple[int, float, float, float]:
    """Edge, weighted sum of squares, distance from its lower end, pendant length.

    Args:
        backbone: with t tips.
        distances: (t,) of the query from the tips.
        common: (t,) common sites; a tip without any does not count.
    """
    weights = _weights(distances, common)
    # A tip below an edge lies at down + x + y, one above at up + (length - x) + y.
    sign = np.where(backbone.below, 1.0, -1.0)
    base = np.where(backbone.below, backbone.down, backbone.up + backbone.lengths[:, None])
    rest = distances - base  # = sign * x + y
    total = weights.sum()
    signs, rests, crossed = sign @ weights, rest @ weights, (sign * rest) @ weights
    determinant = total * total - signs * signs
    safe = np.where(determinant > 0, determinant, 1)
    x = np.where(determinant > 0, (total * crossed - signs * rests) / safe, 0)
    x = np.clip(x, 0, backbone.lengths)
    y = np.clip((rests - signs * x) / total, 0, None)
    x = np.clip((crossed - signs * y) / total, 0, backbone.lengths)  # again, y held at its bound
    residuals = (rest - sign * x[:, None] - y[:, None]) ** 2 @ weights
    edge = int(residuals.argmin())
    return edge, float(residuals[edge]), float(x[edge]), float(y[edge])


def _weights(distances: np.ndarray, common: np.ndarray) -> np.ndarray:
    return np.where(common > 0, 1 / np.maximum(distances, _LEAST_DISTANCE) ** 2, 0)


def _corrected(equal: np.ndarray, common: np.ndarray) -> np.ndarray:
    differing = 1 - equal / np.maximum(common, 1)
    return -0.75 * np.log(1 - 4 / 3 * np.minimum(differing, _SATURATED))


def _joined(library: Library, planes: np.ndarray) -> Backbone:
    """The tree of the references nearest to the queries, the nearest of each first."""
    from skbio import DistanceMatrix
    from skbio.tree import nj

    near = nearest_by_identity(planes, library.planes, min(BACKBONE, len(library)))
    equal, common = bits.compare_at(planes, library.planes, near)
    order = np.argsort(-equal / np.maximum(common, 1), axis=1, kind="stable")
    by_turns = np.take_along_axis(near, order, axis=1).T.ravel()
    tips = np.array(list(dict.fromkeys(by_turns[by_turns >= 0].tolist()))[:BACKBONE])
    if len(tips) < 3:
        raise BarcodeMAEError(f"a tree needs three references; the library has {len(tips)}")
    theirs = library.planes[tips]
    equal, common = bits.compare(theirs[:, None], theirs[None])
    distances = _corrected(equal, common)
    np.fill_diagonal(distances, 0)
    names = [str(number) for number in range(len(tips))]
    tree = nj(DistanceMatrix(distances, names), neg_as_zero=True)
    return _backbone(library, tree, tips, {n: int(n) for n in names})


def _given(library: Library, path: Path) -> Backbone:
    from skbio import TreeNode

    try:
        tree = TreeNode.read(str(path), format="newick", convert_underscores=False)
    except (OSError, ValueError) as error:
        raise BarcodeMAEError(f"{path}: cannot be read as a Newick tree ({error})") from error
    place_of = {name: row for row, name in enumerate(library.table["id"].to_pylist())}
    names = [tip.name for tip in tree.tips()]
    unknown = [name for name in names if name not in place_of]
    if unknown or len(names) < 3:
        raise BarcodeMAEError(
            f"{path}: {len(unknown)} of {len(names)} tips are no ids of the library"
            + (f", the first being {unknown[0]!r}" if unknown else "; a tree needs three")
        )
    tips = np.array([place_of[name] for name in names])
    return _backbone(library, tree, tips, {name: row for row, name in enumerate(names)})


def _backbone(library: Library, tree, tips: np.ndarray, row_of: dict[str, int]) -> Backbone:
    """Edges, and distances of tips from their ends, of a tree of scikit-bio."""
    from scipy import sparse

    ids = library.ids(tips)
    nodes = [node for node in tree.postorder() if node is not tree]
    nodes.sort(key=lambda node: not node.is_tip())  # stable: tips first
    number = {id(node): edge for edge, node in enumerate([*nodes, tree])}  # the root comes last
    lengths = np.array([max(node.length or 0.0, 0.0) for node in nodes])
    above = np.array([number[id(node.parent)] for node in nodes])
    order = np.array([row_of[node.name] for node in tree.tips()])
    below = np.zeros((len(nodes), len(tips)), dtype=bool)
    for node in tree.postorder():
        if node is not tree:
            below[number[id(node)], [row_of[t.name] for t in node.tips(include_self=True)]] = True
    edges = (lengths, (np.arange(len(nodes)), above))
    graph = sparse.csr_array(edges, shape=(len(number), len(number)))
    edge_of_tip = below[: len(tips)].argmax(axis=0)
    ends = sparse.csgraph.dijkstra(graph, directed=False, indices=edge_of_tip).T  # (nodes, tips)
    newick = _newick(tree, number, lengths, ids, row_of) + ";"
    return Backbone(newick, order, tips, lengths, below, ends[:-1], ends[above])


def _newick(node, number, lengths, ids, row_of) -> str:
    text = ""
    if node.is_tip():
        text = "'" + str(ids[row_of[node.name]]).replace("'", "''") + "'"
    else:
        text = "(" + ",".join(_newick(c, number, lengths, ids, row_of) for c in node.children) + ")"
    edge = number[id(node)]
    return text if edge == len(lengths) else f"{text}:{lengths[edge]:.6g}{{{edge}}}"


def _edge_taxa(library: Library, tips: np.ndarray, below_of: dict[int, np.ndarray]):
    """Edge -> the lowest taxon that all references below it share; "" if they share none."""
    labels = {rank: library.labels(rank, tips) for rank in RANKS}
    found = {}
    for edge, below in below_of.items():
        shared = ""
        for rank in RANKS:
            names = set(labels[rank][below].tolist())
            if len(names) == 1 and "" not in names:
                shared = names.pop()
        found[edge] = shared
    return found
