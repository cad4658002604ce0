"""A small tree of a query and its nearest references, as SVG."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_ROW, _LEFT, _WIDTH, _LABEL = 20, 8, 260, 330  # pixels


@dataclass
class Tip:
    """The label of a leaf: its number (0 is the query) and where its branch ends."""

    number: int
    x: float
    y: float


@dataclass
class Drawing:
    """A tree laid out on `width` x `height` pixels.

    `branches` are the data of an SVG path; `scale` is the length of the bar, a share of sites that
    differ, and `bar` the same in pixels.
    """

    branches: str
    tips: list[Tip]
    width: int
    height: int
    scale: float
    bar: float


def draw(distances: np.ndarray) -> Drawing | None:
    """Neighbour joining of (n, n) distances, rooted at the midpoint; None for fewer than three."""
    if len(distances) < 3:
        return None
    root = _joined(distances)
    depth, height = {}, {}
    for node in root.preorder():
        above = depth[id(node.parent)] if node.parent is not None else 0.0
        depth[id(node)] = above + max(node.length or 0.0, 0.0)
    tips = list(root.tips())
    for row, tip in enumerate(tips):
        height[id(tip)] = (row + 0.7) * _ROW
    deepest = max(depth.values()) or 1.0
    place = {node: _LEFT + _WIDTH * at / deepest for node, at in depth.items()}
    branches = []
    for node in root.postorder():
        if node.children:
            ends = [height[id(child)] for child in node.children]
            height[id(node)] = (min(ends) + max(ends)) / 2
            branches.append(f"M{place[id(node)]:.1f} {min(ends):.1f}V{max(ends):.1f}")
        start = place[id(node.parent)] if node.parent is not None else _LEFT - 6
        y = height[id(node)]
        branches.append(f"M{start:.1f} {y:.1f}H{place[id(node)]:.1f}")
    scale = _round_figure(deepest / 3)
    return Drawing(
        "".join(branches),
        [Tip(int(tip.name), place[id(tip)], height[id(tip)]) for tip in tips],
        _LEFT + _WIDTH + _LABEL,
        (len(tips) + 2) * _ROW,
        scale,
        _WIDTH * scale / deepest,
    )


def _joined(distances: np.ndarray):
    from skbio import DistanceMatrix
    from skbio.tree import nj

    names = [str(number) for number in range(len(distances))]
    tree = nj(DistanceMatrix(distances, names))
    # A midpoint exists only where something differs.
    try:
        return tree.root_at_midpoint() if distances.any() else tree
    except TypeError:  # scikit-bio climbs past the root where rounding puts the midpoint beyond it
        return tree


def _round_figure(value: float) -> float:
    """The largest of 1, 2, 5 x a power of ten that is not above `value`."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(step for step in (1, 2, 5) if step * power <= value * 1.000001) * power)
