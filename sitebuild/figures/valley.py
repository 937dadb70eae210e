"""Valley: two points of one loss at one height, with opposite slopes."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain import plotting as gx
from gradexplain.line import Line
from sitebuild.figures.moving import Moving
from sitebuild.figures.pairing import X, Y

LEVEL = 3.5  # the loss of the flat line
LEVELS = (0.5, 7.5)  # where the level may be put: from just above the bottom
_PARAMETERS = (-0.62, 2.48)
_REACH = 0.3  # how far a tangent is drawn to either side
_WIDE = 2.6  # from this level on, the slopes have room between the two points
_HIGH = 6.0  # and from this one on, beside the level's name
_NAMED = 1.6  # from this one on, the bottom has room for its name
MOVING = Moving(
    hint="Drag the ringed level up or down, or use ↑ and ↓. "
    "Each height has two slopes, down to the bottom.",
    buttons={"Reset": "3.5", "Highest": "7.5", "Lowest": "0.5"},
    given={
        "x": X.tolist(),
        "y": Y.tolist(),
        "levels": LEVELS,
        "reach": _REACH,
        "wide": _WIDE,
        "high": _HIGH,
        "named": _NAMED,
    },
)


@dataclass(frozen=True)
class Side:
    """One side of the valley: the parameter θ of ŷ = θ x, the mean loss J and its slope there."""

    theta: float
    height: float
    slope: float


def valley_data(level: float = LEVEL) -> tuple[Side, Side, Side]:
    """Return the left point of this height, the bottom and the right point, for ŷ = θ x.

    J is a parabola, so both points stand equally far from the bottom.
    """
    bottom = float(X @ Y / (X @ X))
    away = float(np.sqrt((level - _side(bottom).height) / np.mean(X * X)))
    return _side(bottom - away), _side(bottom), _side(bottom + away)


def _side(theta: float) -> Side:
    line = Line(theta, 0.0)
    return Side(theta, line.loss(X, Y), line.gradient(X, Y)[0])


@gx.house
def valley() -> Figure:
    """Draw the loss, the line at one height, and the slopes where they meet."""
    figure = gx.canvas(288)
    gx.heading(figure, 16, "The loss J of the line ŷ = θ x")
    axes = gx.panel(figure, 28, 240, gid="plane")
    left, bottom, right = valley_data()
    theta = np.linspace(*_PARAMETERS, 121)
    axes.plot(theta, [_side(value).height for value in theta], color=gx.INK, linewidth=1.8)
    _bottom(axes, bottom)
    _level(axes, bottom.theta)
    for side, name, inward, ha in [(left, "left", 1, "left"), (right, "right", -1, "right")]:
        _slope(axes, side, name, inward, ha)
    axes.set(xlim=_PARAMETERS, ylim=(-0.9, 8.2), yticks=[0, 2, 4, 6, 8], xticks=[])
    return figure


def _bottom(axes: Axes, bottom: Side) -> None:
    axes.plot(
        bottom.theta, bottom.height, "o", color=gx.MUTED, markerfacecolor=gx.PAPER, markersize=7
    )
    place = bottom.height - 0.4
    gx.label(axes, bottom.theta, place, "bottom", gx.MUTED, ha="center", va="top", gid="bottom")


def _level(axes: Axes, middle: float) -> None:
    axes.axhline(LEVEL, color=gx.AVERAGED, linewidth=1.8, linestyle=gx.DASHED, gid="level")
    [knob] = axes.plot(middle, LEVEL, "D", color=gx.AVERAGED, markersize=8, gid="knob")
    knob.set(markeredgecolor=gx.PAPER, markeredgewidth=1.5)
    text = f"J = {gx.number(LEVEL)}, twice"
    gx.label(axes, middle, LEVEL + 0.5, text, gx.AVERAGED, ha="center", gid="level-text")


def _slope(axes: Axes, side: Side, name: str, inward: int, ha: str) -> None:
    """Draw the tangent at a point, its slope beside it, and θ below the axis."""
    theta = side.theta + np.array([-_REACH, _REACH])
    height = side.height + side.slope * (theta - side.theta)
    dropped = [side.height, -0.9]
    axes.plot([side.theta] * 2, dropped, color=gx.MUTED, linewidth=0.8, gid=f"{name}-drop")
    axes.plot(theta, height, color=gx.TRUE, linewidth=2.4, gid=f"{name}-tangent")
    axes.plot(side.theta, side.height, "o", color=gx.TRUE, markersize=9, gid=f"{name}-point")
    # Where the valley is wide, both texts stand on the inner side of the point.
    place, text = side.theta + 0.1 * inward, f"slope {gx.number(round(side.slope, 2))}"
    gx.label(axes, place, side.height + 1.3, text, gx.TRUE, ha=ha, gid=f"{name}-slope")
    place, text = side.theta + 0.03 * inward, f"θ = {gx.number(round(side.theta, 3))}"
    gx.label(axes, place, -1.02, text, gx.MUTED, ha=ha, va="top", gid=f"{name}-theta")
