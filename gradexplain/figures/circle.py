"""Circle: targets move, every average stands still, the first weight's gradient changes sign."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain.activations import identity, sigmoid
from gradexplain.arrays import Array
from gradexplain.figures.style import (
    AVERAGED,
    DASHED,
    GAP,
    MUTED,
    TRUE,
    bare,
    canvas,
    heading,
    house,
    label,
    number,
    panel,
)
from gradexplain.gradients import batch_gradient
from gradexplain.losses import squared_error
from gradexplain.network import MLP, Trace, backprop
from gradexplain.shortcut import averaged_backprop

T = np.array([0.5, 1.5, 4.0])
_LEFT, _RIGHT = 128, 52  # names to the left of the lines, values to the right
_RANGE = (-0.038, 0.066)


@dataclass(frozen=True)
class Turn:
    """What one angle gives: the averages, and both gradients of the first weight."""

    averages: dict[str, float]
    true: float
    averaged: float


def circle_data(angle: float, D: float = 0.3, c: float = 0.1, R: float = 0.7) -> Turn:
    """Return averages and gradients at an angle in radians; `circle_trace` says of what."""
    trace = circle_trace(angle, D, c, R)
    true = batch_gradient(trace)
    averages = {
        "loss J": trace.losses.mean(),
        "mean input": trace.a[0].mean(),
        "mean activation": trace.a[1].mean(),
        "mean slope": sigmoid.derivative(trace.z[0]).mean(),
        "mean output δ": trace.delta[1].mean(),
        "mean hidden δ": trace.delta[0].mean(),
        "∂J/∂w²": true.weights[1].item(),
    }
    return Turn(
        {name: float(value) for name, value in averages.items()},
        true.weights[0].item(),
        averaged_backprop(trace).weights[0].item(),
    )


def circle_trace(angle: float, D: float, c: float, R: float) -> Trace:
    """Return the trace of six examples through the 1-1-1 net with weights 1 and no biases.

    Inputs are ±t, output deltas D ± u. With o = 2σ(t) − 1, u = 3c o/(o·o) plus a vector of length R
    at right angles to o, which the angle turns. So u·o = 3c and u·u stand still, and with them
    E[δ²] and E[δ a]; E[δ] = D and E[δ f′(z)] have no u in them, f′ being even. But E[δ f′(z) x]
    reads u against t f′(t), and that turns with it.
    """
    one, none = np.ones((1, 1)), np.zeros(1)
    net = MLP([one, one], [none, none], [sigmoid, identity])
    o = 2 * sigmoid(T) - 1
    e1 = np.array([o[1], -o[0], 0.0]) / np.hypot(o[0], o[1])
    e2 = np.cross(o, e1) / np.linalg.norm(o)
    u = 3 * c * o / (o @ o) + R * (np.cos(angle) * e1 + np.sin(angle) * e2)
    x = np.concatenate([-T, T])[:, np.newaxis]
    delta = np.concatenate([D - u, D + u])[:, np.newaxis]
    # Squared error has δ = 2 (ŷ − y): these are the targets whose deltas are those.
    return backprop(net, x, net(x) - delta / 2, squared_error)


@house
def circle() -> Figure:
    """Draw the averages as they stand still, and under them the gradient as it moves."""
    degrees = np.arange(0.0, 361.0, 5.0)
    turns = [circle_data(angle) for angle in np.radians(degrees)]
    figure = canvas(388)
    heading(figure, 16, "Every average stands still")
    _still(panel(figure, 24, 140, _LEFT, _RIGHT), degrees, turns)
    heading(figure, 192, "The gradient of the first weight does not")
    _moving(panel(figure, 204, 140, _LEFT, _RIGHT), degrees, turns)
    return figure


def _still(axes: Axes, degrees: Array, turns: list[Turn]) -> None:
    """Draw a row for each average, at the scale of the panel below."""
    bare(axes)
    step = (_RANGE[1] - _RANGE[0]) / len(turns[0].averages)
    for row, name in enumerate(turns[0].averages):
        values = np.array([turn.averages[name] for turn in turns])
        y = -step * (row + 0.5)
        axes.plot(degrees, y + values - values[0], color=AVERAGED, linewidth=1.8, linestyle=DASHED)
        label(axes, -16, y, name, AVERAGED, ha="right", va="center")
        label(axes, 374, y, number(values[0], ".3f"), AVERAGED, va="center")
    axes.set(xlim=(0, 360), ylim=(_RANGE[0] - _RANGE[1], 0))


def _moving(axes: Axes, degrees: Array, turns: list[Turn]) -> None:
    true, averaged = np.array([(turn.true, turn.averaged) for turn in turns]).T
    axes.fill_between(degrees, averaged, true, color=GAP, alpha=0.16, linewidth=0, gid="gap")
    axes.plot(degrees, averaged, color=AVERAGED, linewidth=1.8, linestyle=DASHED, gid="averaged")
    axes.plot(degrees, true, color=TRUE, linewidth=2.4, gid="true")
    label(axes, -16, averaged[0], "from averages", AVERAGED, ha="right", va="center")
    label(axes, 374, averaged[0], number(averaged[0], ".3f"), AVERAGED, va="center")
    label(axes, -16, true[0], "true ∂J/∂w¹", TRUE, ha="right", va="center")
    _extremes(axes, degrees, true)
    label(axes, degrees[true.argmax()], true.max() / 2, "gap", GAP, ha="center", va="center")
    axes.set(xlim=(0, 360), ylim=_RANGE, xticks=[0, 90, 180, 270, 360], yticks=[])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("angle in degrees", color=MUTED, labelpad=3)


def _extremes(axes: Axes, degrees: Array, true: Array) -> None:
    high, low = int(true.argmax()), int(true.argmin())
    label(axes, degrees[high], true[high] + 0.003, number(true[high], ".3f"), TRUE, ha="center")
    label(
        axes, degrees[low], true[low] - 0.003, number(true[low], ".3f"), TRUE, ha="center", va="top"
    )
