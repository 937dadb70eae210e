"""Cut: one boundary splits 100 targets; the mean of the two means weighs both halves alike."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain import plotting as gx
from gradexplain.arrays import Array
from sitebuild.figures.moving import Moving, two

LOSSES = np.repeat([3.0, 1.0], [10, 90])
_KNOB = 2.0  # the loss at whose height the cut is held
MOVING = Moving(
    hint="Drag the ringed point, or use ← and →. "
    "The right mean does not move; the mean of means meets it only at equal counts.",
    buttons={"Reset": "10", "Equal counts": "50", "One alone": "1"},
    given={"losses": LOSSES.tolist(), "knob": _KNOB},
)


@dataclass(frozen=True)
class Cut:
    """What a boundary gives: each micro-batch's count and mean loss, both weights, both means."""

    counts: Array
    means: Array
    right_weights: Array
    implied_weights: Array
    right: float
    mean_of_means: float


def cut_data(boundary: int = 10) -> Cut:
    """Split `LOSSES` before this target into two micro-batches, and average in both ways."""
    parts = LOSSES[:boundary], LOSSES[boundary:]
    counts = np.array([float(len(part)) for part in parts])
    means = np.array([part.mean() for part in parts])
    return Cut(
        counts=counts,
        means=means,
        right_weights=counts / counts.sum(),
        implied_weights=np.full(2, 0.5),
        right=float(LOSSES.mean()),
        mean_of_means=float(means.mean()),
    )


@gx.house
def cut(boundary: int = 10) -> Figure:
    """Draw the targets with the boundary, the two kinds of weights, and the two means."""
    found, figure = cut_data(boundary), gx.canvas(366)
    gx.heading(figure, 16, "100 targets, each with its loss")
    _targets(gx.panel(figure, 24, 96, left=12, gid="losses"), found, boundary)
    gx.heading(figure, 158, "The weight of each micro-batch")
    _weights(gx.panel(figure, 166, 96, left=12, gid="weights"), found)
    _gauge(gx.panel(figure, 286, 68, left=12, gid="gauge"), found)
    return figure


def _targets(axes: Axes, found: Cut, boundary: int) -> None:
    gx.bare(axes)
    places = np.arange(len(LOSSES)) + 0.5
    axes.vlines(places, 0, LOSSES, color=gx.INK, linewidth=2, gid="targets")
    axes.axhline(0, color=gx.MUTED, linewidth=1)
    axes.plot(
        [boundary] * 2, [0, 3.6], color=gx.MUTED, linewidth=1.6, linestyle=gx.DASHED, gid="cut"
    )
    [knob] = axes.plot(boundary, _KNOB, "o", color=gx.MUTED, markersize=9, gid="knob")
    knob.set(markeredgecolor=gx.PAPER, markeredgewidth=1.5)
    gx.label(axes, boundary + 1.5, 3.1, "the cut", gx.MUTED, fontsize=gx.SMALL, gid="cut-text")
    for i, (place, align) in enumerate([(0, "left"), (100, "right")]):
        count, mean = found.counts[i], gx.number(float(two(found.means[i])))
        text = f"{gx.number(count)} target{'s' if count != 1 else ''}, mean loss {mean}"
        gx.label(axes, place, -0.95, text, ha=align, gid=f"part-{i}")
    axes.set(xlim=(-1, 101), ylim=(-1.5, 3.7))


def _weights(axes: Axes, found: Cut) -> None:
    """Draw each micro-batch's right weight as a bar, the implied one as a bar beside it."""
    gx.bare(axes)
    for i in range(2):
        y = -2.6 * i
        gx.label(
            axes, -0.6, y - 0.5, f"micro-batch {i + 1}", gx.MUTED, va="center", fontsize=gx.SMALL
        )
        right, implied = found.right_weights[i], found.implied_weights[i]
        _bar(axes, y, right, gx.TRUE, f"right {gx.number(right)}", f"right-{i}")
        text = f"in the mean of means {gx.number(implied)}"
        _bar(axes, y - 1, implied, gx.AVERAGED, text, f"implied-{i}")
    axes.set(xlim=(-0.6, 1.78), ylim=(-4.3, 0.7))


def _bar(axes: Axes, y: float, weight: float, color: str, text: str, gid: str) -> None:
    axes.plot([0, weight], [y, y], color=color, linewidth=7, solid_capstyle="butt", gid=gid)
    place = weight + 0.07
    gx.label(axes, place, y, text, color, va="center", fontsize=gx.SMALL, gid=f"{gid}-text")


def _gauge(axes: Axes, found: Cut) -> None:
    gx.bare(axes)
    gx.label(axes, 0.62, 0, "loss", ha="right", va="center")
    axes.plot([0.75, 3.1], [0, 0], color=gx.MUTED, linewidth=1)
    for tick in [1, 2, 3]:
        axes.plot([tick] * 2, [-0.12, 0.12], color=gx.MUTED, linewidth=1)
        gx.label(
            axes, tick, -0.4, gx.number(tick), gx.MUTED, ha="center", va="top", fontsize=gx.SMALL
        )
    axes.plot(found.mean_of_means, 0, "D", color=gx.AVERAGED, markersize=9, gid="mean-of-means")
    axes.plot(found.right, 0, "o", color=gx.TRUE, markersize=10, gid="right")
    right, averaged = two(found.right), two(found.mean_of_means)
    gx.label(axes, found.right, 0.55, f"right {right}", gx.TRUE, ha="center")
    # Below the ticks: wherever the cut stands, it touches nothing there.
    place, text = found.mean_of_means, f"mean of means {averaged}"
    gx.label(axes, place, -1.2, text, gx.AVERAGED, ha="center", va="top", gid="mean-of-means-text")
    axes.set(xlim=(0.3, 3.3), ylim=(-2.1, 1.4))
