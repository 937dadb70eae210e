"""Circle: targets move, every average stands still, the first weight's gradient changes sign."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain.activations import identity, sigmoid
from gradexplain.figures.style import AVERAGED, GRID, MUTED, TRUE, label, panels, title
from gradexplain.gradients import batch_gradient
from gradexplain.losses import squared_error
from gradexplain.network import MLP, Trace, backprop
from gradexplain.shortcut import averaged_backprop

T = np.array([0.5, 1.5, 4.0])


@dataclass(frozen=True)
class Turn:
    """What one angle gives: the averages, and both gradients of the first weight."""

    averages: dict[str, float]
    true: float
    averaged: float


def circle_data(angle: float, D: float = 0.3, c: float = 0.1, R: float = 0.7) -> Turn:
    """Return averages and gradients at an angle in radians.

    Inputs are ±t, output deltas D ± u. With o = 2σ(t) − 1, the odd part u = 3c o/(o·o) plus a vector
    of length R at right angles to o: E[δ], E[δ²], E[δ a] and E[δ f′(z)] do not depend on the angle,
    E[δ f′(z) x] does.
    """
    trace = circle_trace(angle, D, c, R)
    delta, inner = trace.delta[1], trace.delta[0]
    averages = {
        "loss J": trace.losses.mean(),
        "mean output delta": delta.mean(),
        "mean slope": sigmoid.derivative(trace.z[0]).mean(),
        "mean inner delta": inner.mean(),
    }
    return Turn(
        {name: float(value) for name, value in averages.items()},
        batch_gradient(trace).weights[0].item(),
        averaged_backprop(trace).weights[0].item(),
    )


def circle_trace(angle: float, D: float, c: float, R: float) -> Trace:
    """Return the 1-1-1 net's trace on the six examples at this angle."""
    one, none = np.ones((1, 1)), np.zeros(1)
    net = MLP([one, one], [none, none], [sigmoid, identity])
    o = 2 * sigmoid(T) - 1
    e1 = np.array([o[1], -o[0], 0.0]) / np.hypot(o[0], o[1])
    e2 = np.cross(o, e1) / np.linalg.norm(o)
    u = 3 * c * o / (o @ o) + R * (np.cos(angle) * e1 + np.sin(angle) * e2)
    x = np.concatenate([-T, T])[:, np.newaxis]
    delta = np.concatenate([D - u, D + u])[:, np.newaxis]
    return backprop(net, x, net(x) - delta / 2, squared_error)


def circle() -> Figure:
    """Draw the averages as they stand still, and under them the gradient as it moves."""
    degrees = np.arange(0, 361, 5)
    turns = [circle_data(angle) for angle in np.radians(degrees)]
    figure, (still, moving) = panels([120, 150], gap=46, bottom=40)
    _still(still, degrees.tolist(), turns)
    _moving(moving, degrees.tolist(), turns)
    return figure


def _still(axes: Axes, degrees: list[float], turns: list[Turn]) -> None:
    title(axes, "Averages, for every angle")
    # Each label stands beside its line; the lowest two are moved apart.
    for name, shift in zip(turns[0].averages, [0.012, 0.0, 0.015, -0.025], strict=True):
        values = [turn.averages[name] for turn in turns]
        axes.plot(degrees, values, color=AVERAGED, linewidth=1.8, linestyle=(0, (4, 2)))
        label(axes, 366, values[0] + shift, name, AVERAGED, va="center")
    axes.set(xlim=(0, 590), ylim=(0, 0.36), xticks=[0, 90, 180, 270, 360], yticks=[0, 0.1, 0.2, 0.3])
    axes.spines["bottom"].set_bounds(0, 360)


def _moving(axes: Axes, degrees: list[float], turns: list[Turn]) -> None:
    title(axes, "∂J/∂w¹, the gradient of the first weight")
    axes.fill_between(degrees, 0, [turn.true for turn in turns], color=GRID, linewidth=0)
    axes.plot(degrees, [turn.true for turn in turns], color=TRUE, linewidth=2.2, gid="true")
    averaged = [turn.averaged for turn in turns]
    axes.plot(degrees, averaged, color=AVERAGED, linewidth=1.8, linestyle=(0, (4, 2)))
    label(axes, 366, 0.02, "true", TRUE, va="center")
    label(axes, 366, 0.0, "from averages: 0", AVERAGED, va="center")
    axes.set(xlim=(0, 590), ylim=(-0.03, 0.064), xticks=[0, 90, 180, 270, 360])
    axes.set_yticks([-0.02, 0, 0.02, 0.04, 0.06])
    axes.spines["bottom"].set_bounds(0, 360)
    axes.set_xlabel("angle in degrees", color=MUTED, fontsize=11, labelpad=3, x=0.31)
