"""Chord: the mean of two slopes lies on the chord, the slope at their mean on the curve."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain.activations import sigmoid
from gradexplain.arrays import Array
from gradexplain.figures.style import AVERAGED, GAP, INK, MUTED, TRUE, label, panels, title
from gradexplain.means import MeanComparison, compare_means

INPUTS = np.array([0.0, 1.0])


def chord_data(x: Array = INPUTS) -> MeanComparison:
    """Compare the mean of the sigmoid's slopes with its slope at the mean."""
    return compare_means(sigmoid.derivative, x)


def chord() -> Figure:
    """Draw the slope of the sigmoid, and the stretch between the inputs magnified."""
    figure, (whole, near) = panels([110, 190], gap=48)
    title(whole, "σ′(x), the slope of the sigmoid")
    _curve(whole, -5, 5)
    whole.plot(INPUTS, sigmoid.derivative(INPUTS), "o-", color=TRUE, markersize=5, linewidth=1.5)
    whole.set(xlim=(-5, 5), ylim=(0, 0.3), xticks=[-4, -2, 0, 1, 4], yticks=[0, 0.1, 0.2])
    title(near, "The same, between the two inputs")
    _curve(near, -0.25, 1.25)
    _means(near)
    near.set(xlim=(-0.25, 1.25), ylim=(0.186, 0.2585), xticks=[0, 0.5, 1], yticks=[0.2, 0.22, 0.24])
    return figure


def _curve(axes: Axes, left: float, right: float) -> None:
    x = np.linspace(left, right, 121)
    axes.plot(x, sigmoid.derivative(x), color=INK, linewidth=1.8)


def _means(axes: Axes) -> None:
    found, middle = chord_data(), float(INPUTS.mean())
    mean, at_mean = found.mean_of_values, found.value_at_mean
    axes.plot(INPUTS, sigmoid.derivative(INPUTS), "o-", color=TRUE, markersize=7, linewidth=1.5)
    axes.plot([middle, middle], [mean, at_mean], color=GAP, linewidth=4, gid="gap")
    axes.plot(middle, mean, "o", color=TRUE, markersize=10, gid="mean-of-slopes")
    axes.plot(middle, at_mean, "D", color=AVERAGED, markersize=9, gid="slope-at-mean")
    label(axes, middle + 0.06, at_mean + 0.002, f"slope at\nthe mean {at_mean:.4f}", AVERAGED)
    label(axes, middle - 0.06, mean - 0.0085, f"mean of slopes {mean:.4f}", TRUE, ha="right")
    label(axes, middle + 0.04, (mean + at_mean) / 2, "gap", GAP, va="center")
    label(axes, 1.04, 0.1985, "chord", TRUE)
    label(axes, -0.21, 0.238, "curve", MUTED)
