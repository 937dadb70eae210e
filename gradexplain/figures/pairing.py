"""Pairing: the same four errors on other inputs. Every average stands, the gradient moves."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain.arrays import Array
from gradexplain.figures.style import AVERAGED, GRID, INK, MUTED, TRUE, label, panels, title
from gradexplain.line import Line

X = np.array([0.0, 1.0, 2.0, 3.0])
Y = np.array([-1.0, 0.0, 2.0, 3.0])


@dataclass(frozen=True)
class Pairing:
    """One pairing of errors with inputs over the flat line, and what it gives."""

    errors: Array
    mean_input: float
    mean_error: float
    mean_loss: float
    true: float
    averaged: float


def pairing_data(order: tuple[int, ...]) -> Pairing:
    """Return the averages and both slope gradients when the errors stand in this order."""
    flat, y = Line(0.0, 0.0), Y[list(order)]
    return Pairing(
        errors=flat.residuals(X, y),
        mean_input=float(X.mean()),
        mean_error=float(flat.residuals(X, y).mean()),
        mean_loss=flat.loss(X, y),
        true=flat.gradient(X, y)[0],
        averaged=flat.averaged_gradient(X, y)[0],
    )


def pairing() -> Figure:
    """Draw the given pairing, the reversed one, and the two gradients on one scale."""
    given, traded = pairing_data((0, 1, 2, 3)), pairing_data((3, 2, 1, 0))
    figure, (above, below, scale) = panels([118, 118, 56], gap=40, bottom=30)
    _errors(above, given, "Four errors, as given")
    _errors(below, traded, "The same four, traded")
    _scale(scale, given, traded)
    return figure


def _errors(axes: Axes, pair: Pairing, text: str) -> None:
    title(axes, text)
    axes.axhline(0, color=MUTED, linewidth=1.2)
    axes.vlines(X, 0, pair.errors, color=INK, linewidth=5, gid="errors")
    axes.plot(X, pair.errors, "o", color=INK, markersize=8)
    axes.vlines(pair.mean_input, 0, pair.mean_error, color=AVERAGED, linewidth=2, linestyle=(0, (2, 2)))
    axes.plot(pair.mean_input, pair.mean_error, "D", color=AVERAGED, markersize=8, gid="mean-error")
    label(axes, 1.5, -0.8, f"mean error {pair.mean_error:.0f}", AVERAGED, ha="center")
    axes.set(xlim=(-0.4, 3.4), ylim=(-1.5, 3.6), xticks=X, yticks=[-1, 0, 1, 2, 3])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="x", length=0)


def _scale(axes: Axes, given: Pairing, traded: Pairing) -> None:
    title(axes, "∂J/∂m, the slope's gradient")
    axes.axhline(0, color=GRID, linewidth=1.2)
    for pair, name in [(given, "as given"), (traded, "traded")]:
        axes.plot(pair.true, 0, "o", color=TRUE, markersize=10, gid=f"true-{name.replace(' ', '-')}")
        label(axes, pair.true, 0.42, _minus(pair.true), TRUE, ha="center", weight="bold")
        label(axes, pair.true, -0.85, name, TRUE, ha="center")
    axes.plot(given.averaged, 0, "D", color=AVERAGED, markersize=9, gid="averaged")
    label(axes, given.averaged, 0.42, _minus(given.averaged), AVERAGED, ha="center", weight="bold")
    label(axes, given.averaged, -0.85, "averages, both times", AVERAGED, ha="center")
    axes.set(xlim=(-7.6, 1.4), ylim=(-1, 1), xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)


def _minus(value: float) -> str:
    return f"{value:g}".replace("-", "−")
