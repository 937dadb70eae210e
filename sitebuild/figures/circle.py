"""Circle: targets move, no average changes, the first weight's gradient changes sign."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain import plotting as gx
from gradexplain.activations import identity, sigmoid
from gradexplain.arrays import Array
from gradexplain.gradients import batch_gradient
from gradexplain.losses import squared_error
from gradexplain.network import MLP, Trace, backprop
from gradexplain.shortcut import averaged_backprop
from sitebuild.figures.moving import Moving, rounded

T = np.array([0.5, 1.5, 4.0])
START = 140  # the angle drawn, in degrees
_CONSTANTS = {"D": 0.3, "c": 0.1, "R": 0.7}
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


def _points(angle: float) -> tuple[Array, Array, Array]:
    """Return inputs, outputs and targets."""
    trace = circle_trace(angle, **_CONSTANTS)
    x, y_hat = trace.a[0][:, 0], trace.a[-1][:, 0]
    return x, y_hat, y_hat - trace.delta[-1][:, 0] / 2


def _prepared() -> Moving:
    """Compute what the figure shows at each degree: its script has no gradients of its own."""
    radians = np.radians(range(361))
    turns, points = [circle_data(angle) for angle in radians], [_points(a) for a in radians]
    inputs, outputs, _ = points[0]
    return Moving(
        hint="Drag the ringed point, or use ← and →. The targets move, the averages do not.",
        buttons={"Reset": str(START), "Highest": "80", "Lowest": "260"},
        given={
            "inputs": inputs.tolist(),
            "outputs": rounded(outputs, 4),
            "targets": rounded([targets for _, _, targets in points], 4),
            "averages": rounded([[*turn.averages.values()] for turn in turns]),
            "true": rounded([turn.true for turn in turns]),
            "averaged": rounded([turn.averaged for turn in turns]),
        },
    )


MOVING = _prepared()


@gx.house
def circle() -> Figure:
    """Draw the targets at one angle, the averages, which do not change, the gradient's wave."""
    degrees = np.arange(0.0, 361.0, 5.0)
    radians = np.radians(degrees)
    turns, figure = [circle_data(angle) for angle in radians], gx.canvas(490)
    gx.heading(figure, 16, "Six targets move")
    _targets(gx.panel(figure, 24, 112, left=24, gid="targets"), radians)
    gx.heading(figure, 184, "No average changes")
    _still(gx.panel(figure, 192, 118, _LEFT, _RIGHT), degrees, turns)
    gx.heading(figure, 331, "The gradient of the first weight does")
    _moving(gx.panel(figure, 340, 112, _LEFT, _RIGHT, gid="moving"), degrees, turns)
    return figure


def _targets(axes: Axes, angles: Array) -> None:
    """Draw each target with its error, on the way that it goes around the circle."""
    x = np.linspace(-4.7, 4.7, 81)
    axes.plot(x, sigmoid(x), color=gx.MUTED, linewidth=1.5)
    gx.label(axes, -4.6, 0.98, "line: the net's output ŷ", gx.MUTED)
    gx.label(axes, -4.6, 0.78, "dots: the targets y")
    ways = np.array([_points(angle)[2] for angle in angles])
    for i, (x_i, y_hat, y) in enumerate(np.transpose(_points(np.radians(START)))):
        axes.vlines(x_i, ways[:, i].min(), ways[:, i].max(), color=gx.GRID, linewidth=6)
        axes.vlines(x_i, y_hat, y, color=gx.INK, linewidth=1.5, gid=f"error-{i}")
        axes.plot(x_i, y, "o", color=gx.INK, markersize=7, gid=f"target-{i}")
    axes.set(xlim=(-4.7, 4.7), ylim=(-0.32, 1.15), yticks=[0, 1])
    axes.set_xticks([*-T, *T], [gx.number(value) for value in [*-T, *T]])
    axes.set_xlabel("input x", color=gx.MUTED, labelpad=1)


def _still(axes: Axes, degrees: Array, turns: list[Turn]) -> None:
    """Draw a row for each average, at the scale of the panel below."""
    gx.bare(axes)
    step = (_RANGE[1] - _RANGE[0]) / len(turns[0].averages)
    axes.axvline(START, color=gx.MUTED, linewidth=1, gid="still-cursor")
    for row, name in enumerate(turns[0].averages):
        values = np.array([turn.averages[name] for turn in turns])
        y = -step * (row + 0.5)
        axes.plot(
            degrees, y + values - values[0], color=gx.AVERAGED, linewidth=1.8, linestyle=gx.DASHED
        )
        axes.plot(START, y, "D", color=gx.AVERAGED, markersize=6, gid=f"still-{row}")
        gx.label(axes, -16, y, name, gx.AVERAGED, ha="right", va="center")
        value, text = gx.number(values[0], ".3f"), f"still-{row}-text"
        gx.label(axes, 374, y, value, gx.AVERAGED, va="center", gid=text)
    axes.set(xlim=(0, 360), ylim=(_RANGE[0] - _RANGE[1], 0))


def _moving(axes: Axes, degrees: Array, turns: list[Turn]) -> None:
    true, averaged = np.array([(turn.true, turn.averaged) for turn in turns]).T
    axes.fill_between(degrees, averaged, true, color=gx.GAP, alpha=0.16, linewidth=0)
    axes.plot(degrees, averaged, color=gx.AVERAGED, linewidth=1.8, linestyle=gx.DASHED)
    axes.plot(degrees, true, color=gx.TRUE, linewidth=2.4)
    gx.label(axes, -16, averaged[0], "from averages", gx.AVERAGED, ha="right", va="center")
    gx.label(axes, -16, true[0], "true ∂J/∂w¹", gx.TRUE, ha="right", va="center")
    _extremes(axes, degrees, true)
    _here(axes, circle_data(np.radians(START)))
    axes.set(xlim=(0, 360), ylim=_RANGE, xticks=[0, 90, 180, 270, 360], yticks=[])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("angle in degrees", color=gx.MUTED, labelpad=1)


def _here(axes: Axes, turn: Turn) -> None:
    """Mark both gradients at the angle drawn, and the gap between them."""
    axes.axvline(START, color=gx.MUTED, linewidth=1, zorder=1, gid="moving-cursor")
    axes.vlines(START, turn.averaged, turn.true, color=gx.GAP, linewidth=4, gid="gap")
    middle = (turn.averaged + turn.true) / 2
    gx.label(axes, START - 10, middle, "gap", gx.GAP, ha="right", va="center", gid="gap-text")
    axes.plot(START, turn.averaged, "D", color=gx.AVERAGED, markersize=7, gid="averaged")
    axes.plot(START, turn.true, "o", color=gx.TRUE, markersize=9, gid="true")
    said = gx.number(turn.averaged, ".3f")
    gx.label(axes, 374, turn.averaged, said, gx.AVERAGED, va="center", gid="averaged-text")
    gx.label(
        axes, 374, turn.true, gx.number(turn.true, ".3f"), gx.TRUE, va="center", gid="true-text"
    )


def _extremes(axes: Axes, degrees: Array, true: Array) -> None:
    for at, side, va in [(int(true.argmax()), 1, "bottom"), (int(true.argmin()), -1, "top")]:
        text = gx.number(true[at], ".3f")
        gx.label(axes, degrees[at], true[at] + 0.007 * side, text, gx.TRUE, ha="center", va=va)
