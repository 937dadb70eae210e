"""Cut: one boundary splits 100 targets; the mean of the two means weighs both halves alike."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain.arrays import Array
from gradexplain.figures.style import (
    AVERAGED,
    DASHED,
    INK,
    MUTED,
    SMALL,
    TRUE,
    bare,
    canvas,
    heading,
    house,
    label,
    number,
    panel,
)

LOSSES = np.repeat([3.0, 1.0], [10, 90])


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


@house
def cut(boundary: int = 10) -> Figure:
    """Draw the targets with the boundary, the two kinds of weights, and the two means."""
    found, figure = cut_data(boundary), canvas(348)
    heading(figure, 16, "100 targets, each with its loss")
    _targets(panel(figure, 24, 96, left=12), found, boundary)
    heading(figure, 158, "The weight of each micro-batch")
    _weights(panel(figure, 166, 96, left=12), found)
    _gauge(panel(figure, 288, 50, left=12), found)
    return figure


def _targets(axes: Axes, found: Cut, boundary: int) -> None:
    bare(axes)
    places = np.arange(len(LOSSES)) + 0.5
    axes.vlines(places, 0, LOSSES, color=INK, linewidth=2, gid="targets")
    axes.axhline(0, color=MUTED, linewidth=1)
    axes.plot([boundary] * 2, [0, 3.6], color=MUTED, linewidth=1.6, linestyle=DASHED, gid="cut")
    label(axes, boundary + 1.5, 3.1, "the cut", MUTED, fontsize=SMALL)
    for i, (place, align) in enumerate([(0, "left"), (100, "right")]):
        text = f"{number(found.counts[i])} targets, mean loss {number(found.means[i])}"
        label(axes, place, -0.95, text, ha=align)
    axes.set(xlim=(-1, 101), ylim=(-1.5, 3.7))


def _weights(axes: Axes, found: Cut) -> None:
    """Draw each micro-batch's right weight as a bar, the implied one as a bar beside it."""
    bare(axes)
    for i in range(2):
        y = -2.6 * i
        label(axes, 0, y - 0.5, f"micro-batch {i + 1}", MUTED, va="center", fontsize=SMALL)
        _bar(axes, y, found.right_weights[i], TRUE, f"right {number(found.right_weights[i])}")
        implied = found.implied_weights[i]
        _bar(axes, y - 1, implied, AVERAGED, f"in the mean of means {number(implied)}")
    axes.set(xlim=(0, 1), ylim=(-4.3, 0.7))


def _bar(axes: Axes, y: float, weight: float, color: str, text: str) -> None:
    start, scale = 0.25, 0.42
    axes.plot(
        [start, start + scale * weight], [y, y], color=color, linewidth=7, solid_capstyle="butt"
    )
    label(axes, start + scale * weight + 0.03, y, text, color, va="center", fontsize=SMALL)


def _gauge(axes: Axes, found: Cut) -> None:
    bare(axes)
    label(axes, 0.62, 0, "loss", ha="right", va="center")
    axes.plot([0.75, 3.1], [0, 0], color=MUTED, linewidth=1)
    for tick in [1, 2, 3]:
        axes.plot([tick] * 2, [-0.12, 0.12], color=MUTED, linewidth=1)
        label(axes, tick, -0.4, number(tick), MUTED, ha="center", va="top", fontsize=SMALL)
    axes.plot(found.mean_of_means, 0, "D", color=AVERAGED, markersize=9, gid="mean-of-means")
    axes.plot(found.right, 0, "o", color=TRUE, markersize=10, gid="right")
    label(axes, found.right, 0.55, f"right {number(found.right, '.1f')}", TRUE, ha="center")
    text = f"mean of means {number(found.mean_of_means, '.1f')}"
    label(axes, found.mean_of_means, 0.55, text, AVERAGED, ha="center")
    axes.set(xlim=(0.3, 3.3), ylim=(-1.2, 1.4))
