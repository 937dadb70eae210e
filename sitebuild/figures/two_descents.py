"""Two descents: the true gradient reaches the fit, the averaged one stops on its rail."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain import plotting as gx
from gradexplain.line import Line, descend
from sitebuild.figures.moving import Moving
from sitebuild.figures.pairing import X, Y

START = Line(0.0, 0.0)
RATE, STEPS = 0.1, 500
_SLOPES, _INTERCEPTS = (-0.5, 2.4), (-1.75, 0.9)  # what is drawn: every end lies inside
STARTS = ((-0.3, 2.1), (-1.4, 0.5))  # where the start may be put
MOVING = Moving(
    hint="Drag the ringed start, or use the four arrow keys. "
    "Averaged descent can't leave its rail, a straight line through the start.",
    buttons={"Reset": "0,0", "Another rail": "2,0", "On the fit's rail": "1.7,-0.9"},
    given={
        "x": X.tolist(),
        "y": Y.tolist(),
        "rate": RATE,
        "steps": STEPS,
        "m": STARTS[0],
        "b": STARTS[1],
    },
)


@dataclass(frozen=True)
class Descents:
    """The lines on the true path and on the averaged one, from the same start."""

    true: list[Line]
    averaged: list[Line]


def two_descents_data(start: Line = START) -> Descents:
    """Descend twice from one start, at one rate, until neither moves any more."""
    return Descents(
        descend(start, X, Y, rate=RATE, steps=STEPS),
        descend(start, X, Y, rate=RATE, steps=STEPS, gradient=Line.averaged_gradient),
    )


@gx.house
def two_descents() -> Figure:
    """Draw both paths over the loss, and under it the lines where they end."""
    paths, figure = two_descents_data(), gx.canvas(545)
    gx.heading(figure, 16, "The loss J over slope m and intercept b")
    start, rail = START, START.m - X.mean() * START.b
    gx.heading(
        figure, 34, f"start: m = {gx.number(start.m)}, b = {gx.number(start.b)}", gid="start-text"
    )
    text = f"rail: m − {gx.number(X.mean())} b = {gx.number(rail)}"
    gx.heading(figure, 34, text, gx.AVERAGED, left=186, gid="rail-text")
    _plane(gx.panel(figure, 42, 286, gid="plane"), paths)
    gx.heading(figure, 384, "The two lines that result")
    _lines(gx.panel(figure, 392, 118, gid="lines"), paths)
    return figure


def _plane(axes: Axes, paths: Descents) -> None:
    _contours(axes)
    _rails(axes)
    for name, path, color, style in [
        ("true", paths.true, gx.TRUE, "-"),
        ("averaged", paths.averaged, gx.AVERAGED, gx.DASHED),
    ]:
        axes.plot(*_points(path), color=color, linewidth=2.2, linestyle=style, gid=f"{name}-path")
        axes.plot(*_points(path[:8]), "o", color=color, markersize=3.5, gid=f"{name}-steps")
    _ends(axes, paths)
    axes.set(xlim=_SLOPES, ylim=_INTERCEPTS, aspect="equal")
    axes.set(xticks=[0, 1, 2], yticks=[-1, 0])
    _name_axes(axes, "m", "b")


def _contours(axes: Axes) -> None:
    m, b = np.meshgrid(np.linspace(*_SLOPES, 54), np.linspace(*_INTERCEPTS, 43))
    loss = np.mean([(y - m * x - b) ** 2 for x, y in zip(X, Y, strict=True)], axis=0)
    axes.contour(
        m, b, loss, levels=[0.15, 0.5, 1.2, 2.3, 3.9, 6, 9, 13], colors=gx.GRID, linewidths=1
    )


def _rails(axes: Axes) -> None:
    """Draw where the averaged path must run, and the line where the mean error is zero."""
    m = np.array(_SLOPES)
    rail = START.b + (m - START.m) / X.mean()
    axes.plot(m, rail, color=gx.AVERAGED, linewidth=1, linestyle=(0, (1, 3)), gid="rail")
    axes.plot(m, Y.mean() - X.mean() * m, color=gx.MUTED, linewidth=1)
    gx.label(axes, 0.85, -0.43, "mean error 0", gx.MUTED, ha="right")


def _ends(axes: Axes, paths: Descents) -> None:
    start, fit, stopped = paths.true[0], paths.true[-1], paths.averaged[-1]
    axes.plot(fit.m, fit.b, "o", color=gx.TRUE, markersize=10, gid="true-end")
    axes.plot(stopped.m, stopped.b, "D", color=gx.AVERAGED, markersize=9, gid="averaged-end")
    axes.plot(start.m, start.b, "o", color=gx.INK, markersize=7, gid="start")
    gx.label(axes, start.m + 0.05, start.b - 0.17, "start", gid="start-label")
    gx.label(
        axes, stopped.m + 0.12, stopped.b + 0.03, "averaged: stops", gx.AVERAGED, gid="stop-label"
    )
    gx.label(axes, fit.m + 0.12, fit.b + 0.05, "true: the fit", gx.TRUE, gid="fit-label")


def _lines(axes: Axes, paths: Descents) -> None:
    ends, fit, stopped = np.array([-0.4, 3.4]), paths.true[-1], paths.averaged[-1]
    for name, line, color, style in [
        ("true", fit, gx.TRUE, "-"),
        ("averaged", stopped, gx.AVERAGED, gx.DASHED),
    ]:
        axes.plot(
            ends,
            line.predict(ends),
            color=color,
            linewidth=2.2,
            linestyle=style,
            gid=f"{name}-line",
        )
    axes.plot(X, Y, "o", color=gx.INK, markersize=7)
    axes.plot(X.mean(), Y.mean(), "o", color=gx.MUTED, markerfacecolor=gx.PAPER, markersize=7)
    gx.label(axes, -0.3, 3.05, f"true, J = {fit.loss(X, Y):.3f}", gx.TRUE, gid="true-loss")
    text = f"averaged, J = {stopped.loss(X, Y):.3f}"
    gx.label(axes, -0.3, 2.25, text, gx.AVERAGED, gid="averaged-loss")
    gx.label(axes, 2.05, -0.8, "both through\nthe mean point", gx.MUTED, va="center")
    axes.set(xlim=ends, ylim=(-1.7, 3.7), xticks=X, yticks=[-1, 0, 1, 2, 3])
    _name_axes(axes, "x", "y")


def _name_axes(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, color=gx.MUTED, labelpad=1)
    axes.set_ylabel(y, color=gx.MUTED, labelpad=6, rotation=0, va="center")


def _points(path: list[Line]) -> tuple[list[float], list[float]]:
    return [line.m for line in path], [line.b for line in path]
