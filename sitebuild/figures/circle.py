"""Circle: targets move, no average changes, the first weight's gradient changes sign."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain.activations import identity, sigmoid
from gradexplain.arrays import Array
from gradexplain.gradients import batch_gradient
from gradexplain.losses import squared_error
from gradexplain.network import MLP, Trace, backprop
from gradexplain.plotting import (
    AVERAGED,
    DASHED,
    GAP,
    GRID,
    INK,
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
from gradexplain.shortcut import averaged_backprop
from sitebuild.figures.moving import Moving

T = np.array([0.5, 1.5, 4.0])
START = 140  # the angle drawn, in degrees
_CONSTANTS = {"D": 0.3, "c": 0.1, "R": 0.7}
MOVING = Moving(
    hint="Drag the ringed point, or use ← and →. The targets move, the averages do not.",
    buttons={"Reset": str(START), "Highest": "80", "Lowest": "260"},
    given={"t": T.tolist(), **_CONSTANTS},
)
_LEFT, _RIGHT = 128, 52  # names to the left of the lines, values to the right
_RANGE = (-0.042, 0.074)


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
    at right angles to o, which the angle turns. So u·o = 3c and u·u do not change, and with them
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
    """Draw the targets at one angle, the averages, which do not change, the gradient's wave."""
    degrees = np.arange(0.0, 361.0, 5.0)
    radians = np.radians(degrees)
    turns, figure = [circle_data(angle) for angle in radians], canvas(490)
    heading(figure, 16, "Six targets move")
    _targets(panel(figure, 24, 112, left=24, gid="targets"), radians)
    heading(figure, 184, "No average changes")
    _still(panel(figure, 192, 118, _LEFT, _RIGHT), degrees, turns)
    heading(figure, 331, "The gradient of the first weight does")
    _moving(panel(figure, 340, 112, _LEFT, _RIGHT, gid="moving"), degrees, turns)
    return figure


def _targets(axes: Axes, angles: Array) -> None:
    """Draw each target with its error, on the way that it goes around the circle."""
    x = np.linspace(-4.7, 4.7, 81)
    axes.plot(x, sigmoid(x), color=MUTED, linewidth=1.5)
    label(axes, -4.6, 0.98, "line: the net's output ŷ", MUTED)
    label(axes, -4.6, 0.78, "dots: the targets y")
    ways = np.array([_points(angle)[2] for angle in angles])
    for i, (x_i, y_hat, y) in enumerate(np.transpose(_points(np.radians(START)))):
        axes.vlines(x_i, ways[:, i].min(), ways[:, i].max(), color=GRID, linewidth=6)
        axes.vlines(x_i, y_hat, y, color=INK, linewidth=1.5, gid=f"error-{i}")
        axes.plot(x_i, y, "o", color=INK, markersize=7, gid=f"target-{i}")
    axes.set(xlim=(-4.7, 4.7), ylim=(-0.32, 1.15), yticks=[0, 1])
    axes.set_xticks([*-T, *T], [number(value) for value in [*-T, *T]])
    axes.set_xlabel("input x", color=MUTED, labelpad=1)


def _points(angle: float) -> tuple[Array, Array, Array]:
    """Return inputs, outputs and targets."""
    trace = circle_trace(angle, **_CONSTANTS)
    x, y_hat = trace.a[0][:, 0], trace.a[-1][:, 0]
    return x, y_hat, y_hat - trace.delta[-1][:, 0] / 2


def _still(axes: Axes, degrees: Array, turns: list[Turn]) -> None:
    """Draw a row for each average, at the scale of the panel below."""
    bare(axes)
    step = (_RANGE[1] - _RANGE[0]) / len(turns[0].averages)
    axes.axvline(START, color=MUTED, linewidth=1, gid="still-cursor")
    for row, name in enumerate(turns[0].averages):
        values = np.array([turn.averages[name] for turn in turns])
        y = -step * (row + 0.5)
        axes.plot(degrees, y + values - values[0], color=AVERAGED, linewidth=1.8, linestyle=DASHED)
        axes.plot(START, y, "D", color=AVERAGED, markersize=6, gid=f"still-{row}")
        label(axes, -16, y, name, AVERAGED, ha="right", va="center")
        value, text = number(values[0], ".3f"), f"still-{row}-text"
        label(axes, 374, y, value, AVERAGED, va="center", gid=text)
    axes.set(xlim=(0, 360), ylim=(_RANGE[0] - _RANGE[1], 0))


def _moving(axes: Axes, degrees: Array, turns: list[Turn]) -> None:
    true, averaged = np.array([(turn.true, turn.averaged) for turn in turns]).T
    axes.fill_between(degrees, averaged, true, color=GAP, alpha=0.16, linewidth=0)
    axes.plot(degrees, averaged, color=AVERAGED, linewidth=1.8, linestyle=DASHED)
    axes.plot(degrees, true, color=TRUE, linewidth=2.4)
    label(axes, -16, averaged[0], "from averages", AVERAGED, ha="right", va="center")
    label(axes, -16, true[0], "true ∂J/∂w¹", TRUE, ha="right", va="center")
    _extremes(axes, degrees, true)
    _here(axes, circle_data(np.radians(START)))
    axes.set(xlim=(0, 360), ylim=_RANGE, xticks=[0, 90, 180, 270, 360], yticks=[])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("angle in degrees", color=MUTED, labelpad=1)


def _here(axes: Axes, turn: Turn) -> None:
    """Mark both gradients at the angle drawn, and the gap between them."""
    axes.axvline(START, color=MUTED, linewidth=1, zorder=1, gid="moving-cursor")
    axes.vlines(START, turn.averaged, turn.true, color=GAP, linewidth=4, gid="gap")
    middle = (turn.averaged + turn.true) / 2
    label(axes, START - 10, middle, "gap", GAP, ha="right", va="center", gid="gap-text")
    axes.plot(START, turn.averaged, "D", color=AVERAGED, markersize=7, gid="averaged")
    axes.plot(START, turn.true, "o", color=TRUE, markersize=9, gid="true")
    said = number(turn.averaged, ".3f")
    label(axes, 374, turn.averaged, said, AVERAGED, va="center", gid="averaged-text")
    label(axes, 374, turn.true, number(turn.true, ".3f"), TRUE, va="center", gid="true-text")


def _extremes(axes: Axes, degrees: Array, true: Array) -> None:
    for at, side, va in [(int(true.argmax()), 1, "bottom"), (int(true.argmin()), -1, "top")]:
        text = number(true[at], ".3f")
        label(axes, degrees[at], true[at] + 0.007 * side, text, TRUE, ha="center", va=va)
