"""Clip: two gradients and a limit. Cutting each, then averaging, is not cutting their average."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from gradexplain import plotting as gx
from gradexplain.arrays import Array
from sitebuild.figures.moving import Moving, two

GRADIENTS = np.array([[3.0, 0.0], [0.0, 0.5]])
LIMIT = 1.0
ACROSS, UP = (-1.5, 3.0), (-1.2, 1.8)  # where a tip may be put
_HEAD = 0.12  # how long an arrow's head is
_HEIGHT = 352.0
MOVING = Moving(
    hint="Drag the ringed tips, or use the four arrow keys. Inside the circle nothing is cut.",
    buttons={
        "Reset": "3,0,0,0.5",
        "Both short": "0.7,-0.4,0.1,0.8",
        "Alike": "2.4,1.2,1.6,0.8",
        "Opposed": "2.8,0.2,-1,0.5",
    },
    given={"limit": LIMIT, "across": ACROSS, "up": UP, "head": _HEAD},
)


@dataclass(frozen=True)
class Clip:
    """Each gradient after its own clipping, the plain mean, and both orders of the two steps."""

    clipped: Array
    mean: Array
    true: Array
    averaged: Array
    gap: float


def clip_data(gradients: Array = GRADIENTS) -> Clip:
    """Average, then clip, as the whole batch is treated; and clip each, then average."""
    clipped = np.array([clip_norm(gradient) for gradient in gradients])
    mean, averaged = gradients.mean(axis=0), clipped.mean(axis=0)
    true = clip_norm(mean)
    return Clip(clipped, mean, true, averaged, float(np.linalg.norm(averaged - true)))


def clip_norm(gradient: Array, limit: float = LIMIT) -> Array:
    """Shorten a gradient to the limit if it is longer."""
    return gradient / max(1.0, float(np.linalg.norm(gradient)) / limit)


@gx.house
def clip() -> Figure:
    """Draw both gradients, the circle that cuts them, and the two means that result."""
    found, figure = clip_data(), gx.canvas(_HEIGHT)
    gx.heading(figure, 16, "Two gradients, cut at the circle")
    axes = gx.panel(figure, 26, 230, left=12, right=12, gid="plane")
    gx.bare(axes)
    _circle(axes)
    _true(axes, found)
    _averaged(axes, found)
    axes.plot(
        *np.transpose([found.averaged, found.true]), color=gx.GAP, linewidth=4, gid="gap-line"
    )
    axes.plot(*found.averaged, "D", color=gx.AVERAGED, markersize=8, gid="averaged-tip")
    axes.plot(*found.true, "o", color=gx.TRUE, markersize=9, gid="true-tip")
    for i, (gradient, kept) in enumerate(zip(GRADIENTS, found.clipped, strict=True)):
        _gradient(axes, i, gradient, kept)
    axes.set(xlim=(-1.75, 3.25), ylim=(-1.4, 2.0), aspect="equal")
    _values(figure, found)
    return figure


def vector(value: Array) -> str:
    """Write a vector of two numbers."""
    return f"({two(float(value[0]))}, {two(float(value[1]))})"


def _circle(axes: Axes) -> None:
    axes.axhline(0, color=gx.GRID, linewidth=0.8)
    axes.axvline(0, color=gx.GRID, linewidth=0.8)
    axes.add_patch(Circle((0, 0), LIMIT, facecolor="none", edgecolor=gx.MUTED, linewidth=1))
    gx.label(axes, 0, -LIMIT - 0.1, f"limit {gx.number(LIMIT)}", gx.MUTED, ha="center", va="top")


def _true(axes: Axes, found: Clip) -> None:
    """Draw the mean halfway between the tips, and what the circle leaves of it."""
    _dotted(axes, GRADIENTS, gx.TRUE, "between-tips")
    _dotted(axes, np.array([found.true, found.mean]), gx.TRUE, "mean-cut")
    axes.plot(*_from_origin(found.true), color=gx.TRUE, linewidth=2.4, gid="true-line")
    axes.plot(*found.mean, "o", color=gx.TRUE, markerfacecolor=gx.PAPER, markersize=6, gid="mean")


def _averaged(axes: Axes, found: Clip) -> None:
    """Draw the mean halfway between what the circle leaves of each."""
    _dotted(axes, found.clipped, gx.AVERAGED, "between-cuts")
    [line] = axes.plot(*_from_origin(found.averaged), color=gx.AVERAGED, gid="averaged-line")
    line.set(linewidth=2.2, linestyle=gx.DASHED)


def _dotted(axes: Axes, points: Array, color: str, gid: str) -> None:
    axes.plot(*points.T, color=color, linewidth=1.2, linestyle=(0, (1, 2.5)), gid=gid)


def _gradient(axes: Axes, i: int, gradient: Array, kept: Array) -> None:
    axes.plot(*_from_origin(kept), color=gx.INK, linewidth=2.6, gid=f"kept-{i}")
    axes.plot(*kept, "o", color=gx.INK, markerfacecolor=gx.PAPER, markersize=5, gid=f"cut-{i}")
    axes.plot(*_arrow(gradient), color=gx.INK, linewidth=1.2, gid=f"gradient-{i}")
    x, y = gradient[0] - 0.05, gradient[1] + 0.2
    text, gid = f"gradient {i + 1}", f"gradient-{i}-text"
    gx.label(axes, x, y, text, ha="right" if i == 0 else "left", fontsize=gx.SMALL, gid=gid)


def _from_origin(tip: Array) -> tuple[list[float], list[float]]:
    return [0.0, float(tip[0])], [0.0, float(tip[1])]


def _arrow(tip: Array) -> Array:
    """Return the line from the origin to a tip and over both sides of its head."""
    length = float(np.linalg.norm(tip))
    along = tip / (length or 1.0) * min(_HEAD, length / 2)
    across = np.array([-along[1], along[0]]) / 2
    return np.array([np.zeros(2), tip, tip - along + across, tip, tip - along - across]).T


def _values(figure: Figure, found: Clip) -> None:
    for top, name, words, value, color in [
        (286.0, "true", "average, then clip", found.true, gx.TRUE),
        (308.0, "averaged", "clip, then average", found.averaged, gx.AVERAGED),
    ]:
        gx.heading(figure, top, words, color)
        _right(figure, top, 240, vector(value), color, name)
        length = f"length {two(float(np.linalg.norm(value)))}"
        _right(figure, top, 348, length, color, f"{name}-length")
    gx.heading(figure, 330, "gap between the two", gx.GAP)
    _right(figure, 330, 348, f"length {two(found.gap)}", gx.GAP, "gap")


def _right(figure: Figure, top: float, right: float, text: str, color: str, gid: str) -> None:
    """Write a line that ends so many points from the left."""
    figure.text(right / gx.WIDTH, 1 - top / _HEIGHT, text, color=color, ha="right", gid=gid)
