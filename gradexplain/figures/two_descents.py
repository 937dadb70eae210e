"""Two descents: the true gradient reaches the fit, the averaged one stops on its rail."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain.figures.pairing import X, Y
from gradexplain.figures.style import (
    AVERAGED,
    DASHED,
    GRID,
    INK,
    MUTED,
    PAPER,
    TRUE,
    canvas,
    heading,
    house,
    label,
    number,
    panel,
)
from gradexplain.line import Line, descend

START = Line(0.0, 0.0)
_SLOPES, _INTERCEPTS = (-0.5, 2.15), (-1.52, 0.6)


@dataclass(frozen=True)
class Descents:
    """The lines on the true path and on the averaged one, from the same start."""

    true: list[Line]
    averaged: list[Line]


def two_descents_data(start: Line = START) -> Descents:
    """Descend twice from one start, at one rate, until neither moves any more."""
    return Descents(
        descend(start, X, Y, rate=0.1, steps=500),
        descend(start, X, Y, rate=0.1, steps=500, gradient=Line.averaged_gradient),
    )


@house
def two_descents() -> Figure:
    """Draw both paths over the loss, and under it the lines where they end."""
    paths, figure = two_descents_data(), canvas(500)
    heading(figure, 16, "The loss J over slope m and intercept b")
    _plane(panel(figure, 26, 250), paths)
    heading(figure, 326, "The two lines that result")
    _lines(panel(figure, 336, 130), paths)
    return figure


def _plane(axes: Axes, paths: Descents) -> None:
    _contours(axes)
    _rails(axes)
    for path, color, style in [(paths.true, TRUE, "-"), (paths.averaged, AVERAGED, DASHED)]:
        axes.plot(*_points(path), color=color, linewidth=2.2, linestyle=style)
        axes.plot(*_points(path[:8]), "o", color=color, markersize=3.5)
    _ends(axes, paths)
    axes.set(xlim=_SLOPES, ylim=_INTERCEPTS, aspect="equal")
    axes.set(xticks=[0, 1, 2], yticks=[-1, 0])
    _name_axes(axes, "m", "b")


def _contours(axes: Axes) -> None:
    m, b = np.meshgrid(np.linspace(*_SLOPES, 54), np.linspace(*_INTERCEPTS, 43))
    loss = np.mean([(y - m * x - b) ** 2 for x, y in zip(X, Y, strict=True)], axis=0)
    axes.contour(m, b, loss, levels=[0.15, 0.5, 1.2, 2.3, 3.9, 6, 9], colors=GRID, linewidths=1)


def _rails(axes: Axes) -> None:
    """Draw where the averaged path must run, and the line where the mean error is zero."""
    m = np.array(_SLOPES)
    axes.plot(m, m / X.mean(), color=AVERAGED, linewidth=1, linestyle=(0, (1, 3)), gid="rail")
    axes.plot(m, Y.mean() - X.mean() * m, color=MUTED, linewidth=1, gid="no-mean-error")
    label(axes, 1.08, -0.74, "mean error 0", MUTED, ha="right")
    rail = f"rail: m − {number(X.mean())} b = {number(START.m - X.mean() * START.b)}"
    label(axes, -0.44, -0.5, rail, AVERAGED)


def _ends(axes: Axes, paths: Descents) -> None:
    start, fit, stopped = paths.true[0], paths.true[-1], paths.averaged[-1]
    axes.plot(start.m, start.b, "o", color=INK, markersize=7, gid="start")
    axes.plot(fit.m, fit.b, "o", color=TRUE, markersize=10, gid="true-end")
    axes.plot(stopped.m, stopped.b, "D", color=AVERAGED, markersize=9, gid="averaged-end")
    label(axes, start.m + 0.05, start.b - 0.06, "start", va="top")
    label(axes, stopped.m + 0.12, stopped.b + 0.03, "averaged: stops here", AVERAGED)
    label(axes, fit.m + 0.1, fit.b + 0.05, "true: the fit", TRUE)


def _lines(axes: Axes, paths: Descents) -> None:
    ends, fit, stopped = np.array([-0.4, 3.4]), paths.true[-1], paths.averaged[-1]
    axes.plot(ends, fit.predict(ends), color=TRUE, linewidth=2.2, gid="true-line")
    axes.plot(
        ends,
        stopped.predict(ends),
        color=AVERAGED,
        linewidth=2.2,
        linestyle=DASHED,
        gid="averaged-line",
    )
    axes.plot(X, Y, "o", color=INK, markersize=7, gid="points")
    axes.plot(
        X.mean(), Y.mean(), "o", color=MUTED, markerfacecolor=PAPER, markersize=7, gid="centroid"
    )
    label(axes, 1.75, 2.9, f"true, J = {fit.loss(X, Y):.3f}", TRUE, ha="right", va="center")
    label(
        axes,
        3.4,
        0.72,
        f"averaged, J = {stopped.loss(X, Y):.3f}",
        AVERAGED,
        ha="right",
        va="center",
    )
    label(axes, 1.62, -0.75, "both through\nthe mean point", MUTED, va="center")
    axes.set(xlim=(-0.4, 3.4), ylim=(-1.7, 3.7), xticks=X, yticks=[-1, 0, 1, 2, 3])
    _name_axes(axes, "x", "y")


def _name_axes(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, color=MUTED, labelpad=1)
    axes.set_ylabel(y, color=MUTED, labelpad=6, rotation=0, va="center")


def _points(path: list[Line]) -> tuple[list[float], list[float]]:
    return [line.m for line in path], [line.b for line in path]
