"""Chord: the mean of two slopes lies on the chord, the slope at their mean on the curve."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle

from gradexplain.activations import sigmoid
from gradexplain.arrays import Array
from gradexplain.figures.style import (
    AVERAGED,
    GAP,
    GRID,
    INK,
    MUTED,
    TRUE,
    canvas,
    heading,
    house,
    label,
    number,
    panel,
)
from gradexplain.means import compare_means

INPUTS = np.array([0.0, 1.0])
_WINDOW = (-0.36, 1.26)  # what the lower panel magnifies
_HEIGHTS = (0.187, 0.258)


@dataclass(frozen=True)
class Chord:
    """The slopes at the inputs, their mean, the slope at the mean input, and the gap."""

    slopes: Array
    mean_input: float
    mean_of_slopes: float
    slope_at_mean: float
    gap: float


def chord_data(x: Array = INPUTS) -> Chord:
    """Compare the mean of the sigmoid's slopes with its slope at the mean."""
    found = compare_means(sigmoid.derivative, x)
    return Chord(
        slopes=sigmoid.derivative(x),
        mean_input=float(x.mean()),
        mean_of_slopes=found.mean_of_values,
        slope_at_mean=found.value_at_mean,
        gap=found.gap,
    )


@house
def chord() -> Figure:
    """Draw the slope of the sigmoid, and the stretch around the inputs 0 and 1 magnified."""
    found, figure = chord_data(), canvas(396)
    heading(figure, 16, "σ′(x), the slope of the sigmoid")
    whole, near = panel(figure, 26, 96), panel(figure, 162, 206, left=14)
    _lens(whole, near)
    _whole(whole, found)
    _near(near, found)
    return figure


def _whole(axes: Axes, found: Chord) -> None:
    _curve(axes, -4.4, 4.4)
    axes.plot(INPUTS, found.slopes, "o-", color=TRUE, markersize=4, linewidth=1.5)
    axes.set(xlim=(-4.4, 4.4), ylim=(0, 0.28), xticks=[-2, 0, 1, 2])
    axes.set_yticks([0, 0.1, 0.2], ["0", "0.1", "0.2"])


def _near(axes: Axes, found: Chord) -> None:
    _curve(axes, *_WINDOW)
    axes.plot(INPUTS, found.slopes, "o-", color=TRUE, markersize=7, linewidth=1.6, gid="chord")
    _gap(axes, found)
    _means(axes, found)
    label(axes, 0.03, 0.2522, f"σ′(0) = {number(found.slopes[0], '.4f')}", TRUE)
    label(axes, 0.95, 0.195, f"σ′(1) = {number(found.slopes[1], '.4f')}", TRUE, ha="right")
    axes.set(xlim=_WINDOW, ylim=_HEIGHTS, yticks=[])
    axes.set_xticks([*INPUTS, found.mean_input], ["0", "1", f"mean {found.mean_input:g}"])
    axes.spines["left"].set_visible(False)


def _gap(axes: Axes, found: Chord) -> None:
    """Draw the gap in its place, and again at the side, where there is room to name it."""
    x, aside = found.mean_input, 0.86
    low, high = sorted([found.mean_of_slopes, found.slope_at_mean])
    for y, color in [(found.mean_of_slopes, TRUE), (found.slope_at_mean, AVERAGED)]:
        axes.plot([x, aside], [y, y], color=color, linewidth=1, linestyle=(0, (1, 2)))
    axes.vlines([x, aside], low, high, color=GAP, linewidth=4, gid="gap")
    label(axes, aside + 0.03, (low + high) / 2, f"gap {number(found.gap, '.4f')}", GAP, va="center")


def _means(axes: Axes, found: Chord) -> None:
    x, mean, at_mean = found.mean_input, found.mean_of_slopes, found.slope_at_mean
    axes.plot(x, mean, "o", color=TRUE, markersize=10, gid="mean-of-slopes")
    axes.plot(x, at_mean, "D", color=AVERAGED, markersize=9, gid="slope-at-mean")
    text = f"slope at the mean\n{number(at_mean, '.4f')}"
    label(axes, x + 0.06, at_mean + 0.0016, text, AVERAGED)
    text = f"mean of the slopes\n{number(mean, '.4f')}"
    label(axes, x - 0.06, mean - 0.0016, text, TRUE, ha="right", va="top")


def _curve(axes: Axes, left: float, right: float) -> None:
    x = np.linspace(left, right, 121)
    axes.plot(x, sigmoid.derivative(x), color=INK, linewidth=1.8)


def _lens(whole: Axes, near: Axes) -> None:
    """Frame the magnified part in the upper panel and tie it to the lower one."""
    (left, right), (low, high) = _WINDOW, _HEIGHTS
    frame = Rectangle((left, low), right - left, high - low, facecolor="none", edgecolor=MUTED)
    whole.add_patch(frame)
    for x in _WINDOW:
        tie = ConnectionPatch(
            (x, low), (x, high), "data", "data", axesA=whole, axesB=near, color=GRID, zorder=0
        )
        whole.add_artist(tie)
