"""Chord: the mean of two slopes lies on the chord, the slope at their mean on the curve."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle

from gradexplain import plotting as gx
from gradexplain.activations import Activation, sigmoid
from gradexplain.arrays import Array
from gradexplain.means import compare_means
from sitebuild.figures.moving import Moving

INPUTS = np.array([0.0, 1.0])
_ENDS = (-4.4, 4.4)
_TOP = 0.28
_ASIDE = 0.86  # where the gap is drawn once more, the inputs being at 0 and 1
NAMES = {
    "sigmoid": "σ′(x), the slope of the sigmoid",
    "tanh": "tanh′(x), the slope of tanh",
    "softplus": "softplus′(x), the slope of softplus",
    "relu": "relu′(x), the slope of the ReLU",
}
MOVING = Moving(
    hint="Drag the two ringed inputs, or move them with ← and →.",
    buttons={
        "Reset": "0,1,sigmoid",
        "A lucky pair": "0.41062,2.41062,sigmoid",
        "sigmoid": ",,sigmoid",
        "tanh": ",,tanh",
        "softplus": ",,softplus",
        "ReLU": ",,relu",
    },
    given={
        "names": NAMES,
        "tops": {name: _TOP if name == "sigmoid" else 4 * _TOP for name in NAMES},
        "ends": [-4, 4],  # where the inputs may be put
        "least": 0.1,  # how far apart they stay
        "aside": _ASIDE,
    },
)


@dataclass(frozen=True)
class Chord:
    """The slopes at the inputs, their mean, the slope at the mean input, and the gap."""

    slopes: Array
    mean_input: float
    mean_of_slopes: float
    slope_at_mean: float
    gap: float


def chord_data(x: Array = INPUTS, activation: Activation = sigmoid) -> Chord:
    """Compare the mean of an activation's slopes with its slope at the mean."""
    found = compare_means(activation.derivative, x)
    return Chord(
        slopes=activation.derivative(x),
        mean_input=float(x.mean()),
        mean_of_slopes=found.mean_of_values,
        slope_at_mean=found.value_at_mean,
        gap=found.gap,
    )


@gx.house
def chord() -> Figure:
    """Draw the slope of the sigmoid, and the stretch around the inputs 0 and 1 magnified."""
    found, figure = chord_data(), gx.canvas(436)
    gx.heading(figure, 16, NAMES["sigmoid"], gid="heading")
    whole = gx.panel(figure, 26, 126, gid="whole")
    near = gx.panel(figure, 204, 190, left=14, gid="near")
    lens = Lens(INPUTS)
    _frame(whole, near, lens)
    _whole(whole, found)
    _near(near, found, lens)
    return figure


class Lens:
    """The magnified part, drawn so that the inputs stand at 0 and 1, their curve between 0 and 1.

    However far apart the inputs are, there is the same room for what is written about them.
    """

    across, up = (-0.36, 1.26), (-0.42, 1.36)

    def __init__(self, inputs: Array) -> None:
        """Look at these two inputs."""
        self.left, self.width = float(inputs[0]), float(inputs[1] - inputs[0])
        between = sigmoid.derivative(np.linspace(inputs[0], inputs[1], 31))
        self.low, self.height = float(between.min()), float(np.ptp(between))

    def y(self, slope: float | Array) -> float | Array:
        """Return where a slope stands under the lens."""
        return (slope - self.low) / self.height

    @property
    def frame(self) -> tuple[float, float, float, float]:
        """Return what the lens shows: left, low, width, height."""
        (left, right), (low, high) = self.across, self.up
        return (
            self.left + left * self.width,
            self.low + low * self.height,
            (right - left) * self.width,
            (high - low) * self.height,
        )


def _whole(axes: Axes, found: Chord) -> None:
    x = np.linspace(*_ENDS, 121)
    axes.plot(x, sigmoid.derivative(x), color=gx.INK, linewidth=1.8, gid="whole-curve")
    axes.plot(INPUTS, found.slopes, color=gx.TRUE, linewidth=1.5, gid="whole-chord")
    for i, (x_i, slope) in enumerate(zip(INPUTS, found.slopes, strict=True)):
        axes.plot(x_i, slope, "o", color=gx.TRUE, markersize=6, gid=f"input-{i}")
    axes.set(xlim=_ENDS, ylim=(0, _TOP), xticks=[-4, -2, 0, 2, 4])
    axes.set_yticks([0, 0.1, 0.2], ["0", "0.1", "0.2"])
    for i, text in enumerate(axes.get_yticklabels()):
        text.set_gid(f"tick-{i}")


def _near(axes: Axes, found: Chord, lens: Lens) -> None:
    t = np.linspace(*Lens.across, 61)
    curve = lens.y(sigmoid.derivative(lens.left + t * lens.width))
    axes.plot(t, curve, color=gx.INK, linewidth=1.8, gid="near-curve")
    axes.plot([0, 1], lens.y(found.slopes), "o-", color=gx.TRUE, markersize=5, gid="near-chord")
    mean, at_mean = float(lens.y(found.mean_of_slopes)), float(lens.y(found.slope_at_mean))
    _gap(axes, found, mean, at_mean)
    axes.plot(0.5, mean, "o", color=gx.TRUE, markersize=10, gid="mean")
    axes.plot(0.5, at_mean, "D", color=gx.AVERAGED, markersize=9, gid="at-mean")
    for row, (name, value) in enumerate([("name", ""), ("value", ".4f")]):
        text = gx.number(found.slope_at_mean, value) if value else "slope at the mean"
        gx.label(axes, 0.55, at_mean + 0.18 - 0.14 * row, text, gx.AVERAGED, gid=f"at-mean-{name}")
        text = gx.number(found.mean_of_slopes, value) if value else "mean of the slopes"
        y = mean - 0.13 - 0.14 * row
        gx.label(axes, 0.45, y, text, gx.TRUE, ha="right", gid=f"mean-{name}")
    _inputs(axes, found)
    axes.set(xlim=Lens.across, ylim=Lens.up, yticks=[], xticks=[])
    axes.spines["left"].set_visible(False)


def _gap(axes: Axes, found: Chord, mean: float, at_mean: float) -> None:
    """Draw the gap in its place, and again at the side, where there is room to name it."""
    for name, y, color in [("mean", mean, gx.TRUE), ("at-mean", at_mean, gx.AVERAGED)]:
        level = axes.plot([0.5, _ASIDE], [y, y], color=color, linewidth=1, gid=f"{name}-level")
        level[0].set_linestyle((0, (1, 2)))
    for name, x in [("gap", 0.5), ("gap-aside", _ASIDE)]:
        axes.vlines(x, mean, at_mean, color=gx.GAP, linewidth=4, gid=name)
    text, middle = f"gap {gx.number(found.gap, '.4f')}", (mean + at_mean) / 2
    gx.label(axes, _ASIDE + 0.03, middle, text, gx.GAP, va="center", gid="gap-text")


def _inputs(axes: Axes, found: Chord) -> None:
    """Write under the lens which inputs these are, and the curve's height there."""
    below, further = Lens.up[0] - 0.13, Lens.up[0] - 0.27
    for i, (x, slope) in enumerate(zip(INPUTS, found.slopes, strict=True)):
        gx.label(axes, i, below, f"x = {gx.number(x)}", gx.TRUE, ha="center", gid=f"x-{i}")
        slope_text = f"slope {gx.number(slope, '.4f')}"
        gx.label(axes, i, further, slope_text, gx.TRUE, ha="center", gid=f"slope-{i}")
    text = f"mean {gx.number(found.mean_input)}"
    gx.label(axes, 0.5, below, text, gx.AVERAGED, ha="center", gid="mean-input")


def _frame(whole: Axes, near: Axes, lens: Lens) -> None:
    """Frame the magnified part in the upper panel and tie it to the lower one."""
    left, low, width, height = lens.frame
    frame = Rectangle(
        (left, low), width, height, facecolor="none", edgecolor=gx.MUTED, gid="frame", linewidth=0.8
    )
    whole.add_patch(frame)
    for i, (x, t) in enumerate(zip((left, left + width), Lens.across, strict=True)):
        tie = ConnectionPatch(
            (x, low),
            (t, Lens.up[1]),
            "data",
            "data",
            axesA=whole,
            axesB=near,
            color=gx.GRID,
            zorder=0,
        )
        tie.set_gid(f"tie-{i}")
        whole.add_artist(tie)
