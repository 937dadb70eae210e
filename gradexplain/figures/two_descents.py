"""Two descents: the true gradient reaches the fit, the averaged one runs on a rail past it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain.figures.pairing import X, Y
from gradexplain.figures.style import AVERAGED, GRID, INK, MUTED, TRUE, label, panels, title
from gradexplain.line import Line, descend

START = Line(0.0, 0.0)


def two_descents_data(start: Line = START) -> tuple[list[Line], list[Line]]:
    """Return the lines on the true path and on the averaged one, from the same start."""
    true = descend(start, X, Y, rate=0.1, steps=400)
    averaged = descend(start, X, Y, rate=0.1, steps=400, gradient=Line.averaged_gradient)
    return true, averaged


def two_descents() -> Figure:
    """Draw both paths over the loss, and under it the lines where they end."""
    true, averaged = two_descents_data()
    figure, (plane, data) = panels([190, 150], gap=56)
    _paths(plane, true, averaged)
    _lines(data, true[-1], averaged[-1])
    return figure


def _paths(axes: Axes, true: list[Line], averaged: list[Line]) -> None:
    title(axes, "The loss over slope m and intercept b")
    m, b = np.meshgrid(np.linspace(-0.5, 2.3, 81), np.linspace(-1.9, 0.9, 81))
    loss = np.mean([(y - m * x - b) ** 2 for x, y in zip(X, Y, strict=True)], axis=0)
    axes.contour(m, b, loss, levels=[0.15, 0.5, 1.2, 2.4, 4, 6, 9, 13], colors=GRID, linewidths=1.1)
    for path, color, style in [(true, TRUE, "-"), (averaged, AVERAGED, (0, (4, 2)))]:
        axes.plot(*_points(path), color=color, linewidth=2, linestyle=style)
    axes.plot(0, 0, "o", color=INK, markersize=7)
    axes.plot(true[-1].m, true[-1].b, "o", color=TRUE, markersize=10, gid="true-end")
    axes.plot(averaged[-1].m, averaged[-1].b, "D", color=AVERAGED, markersize=9, gid="averaged-end")
    label(axes, -0.08, 0.1, "start", INK, ha="right")
    label(axes, averaged[-1].m + 0.1, averaged[-1].b + 0.08, "averaged: stops here", AVERAGED)
    label(axes, true[-1].m, true[-1].b - 0.36, "true: the fit", TRUE, ha="center")
    axes.set(xlim=(-0.5, 2.3), ylim=(-1.9, 0.9), xticks=[0, 1, 2], yticks=[-1, 0])
    axes.set_xlabel("m", color=MUTED, fontsize=11, labelpad=0)
    axes.set_ylabel("b", color=MUTED, fontsize=11, rotation=0, labelpad=4)


def _lines(axes: Axes, fit: Line, stopped: Line) -> None:
    title(axes, "The two lines that result")
    ends = np.array([-0.4, 3.4])
    axes.plot(ends, fit.predict(ends), color=TRUE, linewidth=2)
    axes.plot(ends, stopped.predict(ends), color=AVERAGED, linewidth=2, linestyle=(0, (4, 2)))
    axes.plot(X, Y, "o", color=INK, markersize=7)
    label(axes, 1.55, 2.75, f"true, J = {fit.loss(X, Y):.3f}", TRUE, ha="center")
    label(axes, 2.4, 0.2, f"averaged, J = {stopped.loss(X, Y):.3f}", AVERAGED, ha="center")
    axes.set(xlim=(-0.4, 3.4), ylim=(-1.7, 3.7), xticks=X, yticks=[-1, 0, 1, 2, 3])
    axes.set_xlabel("x", color=MUTED, fontsize=11, labelpad=0)
    axes.set_ylabel("y", color=MUTED, fontsize=11, rotation=0, labelpad=4)


def _points(path: list[Line]) -> tuple[list[float], list[float]]:
    return [line.m for line in path], [line.b for line in path]
