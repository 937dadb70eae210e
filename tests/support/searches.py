"""Searches for counter-examples to the theorems on slopes and heights.

Equal heights with different slopes are never drawn by chance: root-finding builds them.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from gradexplain.arrays import Array

Function = Callable[[Any], Any]
Pair = tuple[Any, Any]


def slope(f: Function, theta: float) -> Any:
    """Differentiate an analytic function by a complex step: exact to rounding, without rules."""
    return np.imag(f(theta + 1e-30j)) / 1e-30


def crossing(f: Function, level: float, low: float, high: float) -> float:
    """Return where f, which is above `level` at one end and not at the other, passes it."""
    above = f(low) > level
    for _ in range(80):  # halves the interval until it is as short as numbers allow
        middle = (low + high) / 2
        low, high = (middle, high) if (f(middle) > level) == above else (low, middle)
    return low


def level_pair(height: Function, slope: Function, *pieces: tuple[float, float]) -> Pair | None:
    """Search a loss on one or more intervals for two points at one height with different slopes."""
    grids = [np.linspace(*piece, 301) for piece in pieces]
    steps = [step for grid in grids for step in pairwise(grid)]
    heights = np.array([[height(low), height(high)] for low, high in steps])
    scale = max(np.abs(slope(grid)).max() for grid in grids)
    for level in heights.mean(axis=1):
        crossed = np.flatnonzero((heights[:, 0] > level) != (heights[:, 1] > level))
        if len(crossed) > 1:
            found = [crossing(height, level, *steps[i]) for i in crossed]
            low, high = min(found, key=slope), max(found, key=slope)
            if slope(high) - slope(low) > 1e-11 * scale:
                return low, high
    return None


def level_pair_in_the_plane(
    height: Function, slope: Function, inside: Function, draws: int = 1200
) -> Pair | None:
    """Search a loss of two parameters for two points at one height with different gradients.

    The points lie inside a convex set, on which segments between random points are followed.
    """
    rng = np.random.default_rng(0)
    drawn = [theta for theta in rng.uniform(-2, 2, (draws, 2)) if inside(theta)]
    for p, a, b in zip(drawn[::3], drawn[1::3], drawn[2::3], strict=False):
        if (height(a) > height(p)) != (height(b) > height(p)):
            q = _on_the_segment(height, height(p), a, b)
            if np.abs(slope(p) - slope(q)).max() > 1e-6:
                return p, q
    return None


def level_data_sets(loss: Function, slope: Function, theta: Function) -> Pair | None:
    """Search for two data sets, each at a θ, with one mean loss and different mean slopes.

    An example is a number C. `loss` and `slope` take θ and return a function of C; `theta` draws
    a θ. The first example of the second data set is moved until the mean losses agree.
    """
    rng = np.random.default_rng(0)
    for _ in range(200):
        (a, b), (c, at, there) = rng.uniform(-2, 2, 2), (rng.uniform(-2, 2), theta(rng), theta(rng))
        wanted = loss(at)(a) + loss(at)(b) - loss(there)(c)
        if (loss(there)(-6) > wanted) != (loss(there)(6) > wanted):
            moved = crossing(loss(there), wanted, -6, 6)
            one, other = slope(at)(a) + slope(at)(b), slope(there)(c) + slope(there)(moved)
            if abs(one - other) > 1e-6 * max(1, abs(one)):
                return ((a, b), at), ((c, moved), there)
    return None


def _on_the_segment(height: Function, level: float, a: Array, b: Array) -> Array:
    share = crossing(lambda s: height(a + s * (b - a)), level, 0, 1)
    return a + (b - a) * share
