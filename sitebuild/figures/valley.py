"""Valley: two points of one loss at one height, with opposite slopes."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain.line import Line
from gradexplain.plotting import (
    AVERAGED,
    DASHED,
    INK,
    MUTED,
    PAPER,
    TRUE,
    canvas,
    heading,
    house,
    label,
    number,
    panel,
)
from sitebuild.figures.pairing import X, Y

_PARAMETERS = (-0.62, 2.48)
_REACH = 0.3  # how far a tangent is drawn to either side


@dataclass(frozen=True)
class Side:
    """One side of the valley: the parameter θ of ŷ = θ x, the mean loss J and its slope there."""

    theta: float
    height: float
    slope: float


def valley_data(theta: float = 0.0) -> tuple[Side, Side, Side]:
    """Return the point at θ, the bottom, and the point across, all of the loss of ŷ = θ x.

    J is a parabola, so the point across is the mirror image of the first.
    """
    bottom = float(X @ Y / (X @ X))
    return _side(theta), _side(bottom), _side(2 * bottom - theta)


def _side(theta: float) -> Side:
    line = Line(theta, 0.0)
    return Side(theta, line.loss(X, Y), line.gradient(X, Y)[0])


@house
def valley() -> Figure:
    """Draw the loss, the line at one height, and the slopes where they meet."""
    figure = canvas(282)
    heading(figure, 16, "The loss J of the line ŷ = θ x")
    axes = panel(figure, 28, 222)
    left, bottom, right = valley_data()
    theta = np.linspace(*_PARAMETERS, 121)
    axes.plot(theta, [_side(value).height for value in theta], color=INK, linewidth=1.8)
    axes.axhline(left.height, color=AVERAGED, linewidth=1.8, linestyle=DASHED, gid="height")
    text = f"J = {number(left.height)}, twice"
    label(axes, bottom.theta, left.height + 0.22, text, AVERAGED, ha="center")
    _slope(axes, left, "left", ha="left")
    _slope(axes, right, "right", ha="right")
    axes.plot(bottom.theta, bottom.height, "o", color=MUTED, markerfacecolor=PAPER, markersize=7)
    label(axes, bottom.theta, bottom.height + 0.6, "the bottom", MUTED, ha="center")
    axes.set(xlim=_PARAMETERS, ylim=(-0.2, 8.2), yticks=[0, 2, 4, 6, 8])
    axes.set_xticks([left.theta, 1, right.theta], ["0", "1", number(right.theta, ".3f")])
    axes.set_xlabel("θ", color=MUTED, labelpad=1)
    return figure


def _slope(axes: Axes, side: Side, name: str, ha: str) -> None:
    """Draw the tangent at a point, and say its slope on the inner side."""
    theta = side.theta + np.array([-_REACH, _REACH])
    height = side.height + side.slope * (theta - side.theta)
    axes.plot(theta, height, color=TRUE, linewidth=2.4, gid=f"{name}-tangent")
    axes.plot(side.theta, side.height, "o", color=TRUE, markersize=9, gid=f"{name}-point")
    inward = 0.1 if ha == "left" else -0.1
    text = f"slope {number(side.slope)}"
    label(axes, side.theta + inward, side.height + 1.2, text, TRUE, ha=ha)
