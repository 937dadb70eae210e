"""Covariance: each point and the two means span a rectangle; the mean of their areas is Cov."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gradexplain import plotting as gx
from gradexplain.arrays import Array
from gradexplain.line import Line
from gradexplain.means import covariance as covariance_of
from sitebuild.figures.moving import Moving, two
from sitebuild.figures.pairing import X, Y

ERRORS = Line(0.0, 0.0).residuals(X, Y)
INPUT_RANGE, ERROR_RANGE = (0.0, 3.0), (-1.0, 3.0)  # where a point may be put
MOST = 12.0  # of the areas of one sign: 4 points, deviations of at most 1.5 and 2
MOVING = Moving(
    hint="Drag the ringed points, or use the four arrow keys. "
    "Where filled and hollow areas balance, averaging first loses nothing.",
    buttons={
        "Reset": "0,-1,1,0,2,2,3,3",
        "Balanced": "0,2.8,1,-0.8,2,-0.8,3,2.8",
        "Falling": "0,3,1,2,2,0,3,-1",
        "The fit's errors": "0,0.1,1,-0.3,2,0.3,3,-0.1",
    },
    given={"x": INPUT_RANGE, "r": ERROR_RANGE},
)
_SHADE = 0.22
_HEIGHT, _VALUES = 416, 348  # points; the values end there


@dataclass(frozen=True)
class Covariance:
    """The signed areas about the means, and how they part the mean of the products x r."""

    mean_x: float
    mean_r: float
    areas: Array
    true: float
    averaged: float
    gap: float


def covariance_data(x: Array = X, r: Array = ERRORS) -> Covariance:
    """Return the rectangles of the points (x, r), the mean of x r, and both its parts."""
    return Covariance(
        mean_x=float(x.mean()),
        mean_r=float(r.mean()),
        areas=(x - x.mean()) * (r - r.mean()),
        true=float(np.mean(x * r)),
        averaged=float(x.mean() * r.mean()),
        gap=float(covariance_of(x, r)),
    )


@gx.house
def covariance() -> Figure:
    """Draw the points with their rectangles, the areas of either sign, and the sum they explain."""
    found, figure = covariance_data(), gx.canvas(_HEIGHT)
    gx.heading(figure, 16, "Four points: input x, error r")
    _points(gx.panel(figure, 44, 184, left=34, right=86, gid="plane"), found)
    gx.heading(figure, 270, "The areas, end to end")
    _areas(gx.panel(figure, 278, 56, left=66, right=60, gid="areas"), found)
    for row, (name, text, value, color) in enumerate(
        [
            ("true", "mean of the products x r", found.true, gx.TRUE),
            ("averaged", "= mean x · mean r", found.averaged, gx.AVERAGED),
            ("gap", "+ mean of the areas, Cov(x, r)", found.gap, gx.GAP),
        ]
    ):
        gx.heading(figure, 362 + 21 * row, text, color)
        place = 1 - (362 + 21 * row) / _HEIGHT
        figure.text(_VALUES / gx.WIDTH, place, two(value), color=color, ha="right", gid=name)
    return figure


def _points(axes: Axes, found: Covariance) -> None:
    for i, (x, r, area) in enumerate(zip(X, ERRORS, found.areas, strict=True)):
        corner, width, height = (found.mean_x, found.mean_r), x - found.mean_x, r - found.mean_r
        face = gx.GAP if area > 0 else "none"
        axes.add_patch(
            Rectangle(corner, width, height, facecolor=face, alpha=_SHADE, gid=f"shade-{i}")
        )
        outline = Rectangle(
            corner, width, height, facecolor="none", edgecolor=gx.GAP, gid=f"area-{i}"
        )
        axes.add_patch(outline)
    for i, (x, r) in enumerate(zip(X, ERRORS, strict=True)):
        axes.plot(x, r, "o", color=gx.INK, markersize=9, gid=f"point-{i}")
    for line in [
        axes.axvline(found.mean_x, gid="mean-x"),
        axes.axhline(found.mean_r, gid="mean-r"),
    ]:
        line.set(color=gx.AVERAGED, linewidth=1.6, linestyle=gx.DASHED)
    text = f"mean x {two(found.mean_x)}"
    gx.label(axes, found.mean_x, 3.7, text, gx.AVERAGED, ha="center", gid="mean-x-text")
    text = f"mean r {two(found.mean_r)}"
    gx.label(axes, 3.38, found.mean_r, text, gx.AVERAGED, va="center", gid="mean-r-text")
    axes.set(xlim=(-0.3, 3.3), ylim=(-1.4, 3.4), xticks=[0, 1, 2, 3], yticks=[-1, 0, 1, 2, 3])
    axes.set_yticks([-1, 0, 1, 2, 3], ["−1", "0", "1", "2", "3"])
    axes.set_xlabel("x", color=gx.MUTED, labelpad=0)
    axes.set_ylabel("r", color=gx.MUTED, labelpad=6, rotation=0, va="center")


def _areas(axes: Axes, found: Covariance) -> None:
    """Lay the areas above zero end to end, and below them those below zero, hollow."""
    gx.bare(axes)
    for row, (name, sign) in enumerate([("positive", 1), ("negative", -1)]):
        parts = np.maximum(sign * found.areas, 0)
        ends = np.cumsum(parts)
        for i, (part, end) in enumerate(zip(parts, ends, strict=True)):
            [bar] = axes.barh(row, part, 0.5, end - part, linewidth=1, gid=f"{name}-{i}")
            face, edge = (gx.GAP, gx.PAPER) if sign > 0 else (gx.PAPER, gx.GAP)
            bar.set(facecolor=face, edgecolor=edge)
        gx.label(axes, -0.3, row, name, gx.GAP, ha="right", va="center", fontsize=gx.SMALL)
        total = signed(float(sign * parts.sum()))
        end = MOST * (gx.WIDTH - 66 - 12) / (gx.WIDTH - 66 - 60)
        gx.label(axes, end, row, total, gx.GAP, ha="right", va="center", gid=f"{name}-sum")
    axes.plot([0, 0], [-0.5, 1.5], color=gx.MUTED, linewidth=0.8)
    axes.set(xlim=(0, MOST), ylim=(1.6, -0.6))


def signed(value: float) -> str:
    """Write a sum with its sign, and zero without one."""
    return two(value, "+.2f") if abs(value) >= 0.005 else "0.00"
