"""Pairing: the same four errors on other inputs. No average changes, but the gradient does."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain import plotting as gx
from gradexplain.arrays import Array
from gradexplain.line import Line
from sitebuild.figures.moving import Moving

X = np.array([0.0, 1.0, 2.0, 3.0])
Y = np.array([-1.0, 0.0, 2.0, 3.0])
MOVING = Moving(
    hint="Drag an error onto another, or use ← and →. "
    "No pairing of these four makes the true gradient the averaged one.",
    buttons={"Reset": "3,2,1,0", "As given": "0,1,2,3"},
    given={"x": X.tolist(), "y": Y.tolist()},
)


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
    errors = flat.residuals(X, y)
    return Pairing(
        errors=errors,
        mean_input=float(X.mean()),
        mean_error=float(errors.mean()),
        mean_loss=flat.loss(X, y),
        true=flat.gradient(X, y)[0],
        averaged=flat.averaged_gradient(X, y)[0],
    )


@gx.house
def pairing(
    given: tuple[int, ...] = (0, 1, 2, 3), traded: tuple[int, ...] = (3, 2, 1, 0)
) -> Figure:
    """Draw two pairings of the same errors, each with its gradients on one scale below."""
    figure = gx.canvas(458)
    _pairing(figure, 0, pairing_data(given), "given", "Four errors, as given")
    _pairing(figure, 236, pairing_data(traded), "traded", "The same four errors, traded")
    return figure


def _pairing(figure: Figure, top: float, pair: Pairing, name: str, text: str) -> None:
    gx.heading(figure, top + 16, text, gid=f"{name}-heading")
    averages = [("input", pair.mean_input), ("error", pair.mean_error), ("loss", pair.mean_loss)]
    line = " · ".join(f"mean {of} {gx.number(value)}" for of, value in averages)
    gx.heading(figure, top + 34, line, gx.AVERAGED, gid=f"{name}-averages")
    errors = gx.panel(figure, top + 46, 116, left=12, gid=f"{name}-errors")
    gx.bare(errors)
    _errors(errors, pair, name)
    _mean(errors, pair, name)
    gauge = gx.panel(figure, top + 174, 44, left=66, gid=f"{name}-gauge")
    gx.bare(gauge)
    _gauge(gauge, pair, name)


def _errors(axes: Axes, pair: Pairing, name: str) -> None:
    axes.axhline(0, color=gx.MUTED, linewidth=1)
    gx.label(axes, 4.1, 0.22, "flat line", gx.MUTED, ha="right", fontsize=gx.SMALL)
    for i, (x, error) in enumerate(zip(X, pair.errors, strict=True)):
        axes.vlines(x, 0, error, color=gx.INK, linewidth=5, gid=f"{name}-error-{i}")
        axes.plot(x, error, "o", color=gx.INK, markersize=8, gid=f"{name}-dot-{i}")
        outward, va = (0.6, "bottom") if error >= 0 else (-0.6, "top")
        text = f"{name}-text-{i}"
        gx.label(axes, x, error + outward, gx.number(error), ha="center", va=va, gid=text)
        gx.label(axes, x, -2.85, f"x = {gx.number(x)}", gx.MUTED, ha="center", fontsize=gx.SMALL)
    axes.set(xlim=(-0.45, 4.15), ylim=(-2.9, 4.1))


def _mean(axes: Axes, pair: Pairing, name: str) -> None:
    """Draw what is left when all four are averaged: one error, at one input."""
    x, error = pair.mean_input, pair.mean_error
    axes.vlines(x, 0, error, color=gx.AVERAGED, linewidth=1.6, linestyle=gx.DASHED)
    axes.plot(x, error, "D", color=gx.AVERAGED, markersize=8, gid=f"{name}-mean-error")
    gx.label(axes, x, error + 0.5, "mean", gx.AVERAGED, ha="center", va="bottom")


def _gauge(axes: Axes, pair: Pairing, name: str) -> None:
    """Draw the number line of ∂J/∂m, the true value named above it, the averaged one below."""
    gx.label(axes, -8.2, 0, "∂J/∂m", ha="right", va="center")
    axes.plot([-7.8, 1.9], [0, 0], color=gx.MUTED, linewidth=1)
    for tick in [-6, -3, 0]:
        axes.plot([tick, tick], [-0.12, 0.12], color=gx.MUTED, linewidth=1)
    for tick in [-6, 0]:
        gx.label(
            axes, tick, -0.5, gx.number(tick), gx.MUTED, ha="center", va="top", fontsize=gx.SMALL
        )
    axes.plot(pair.averaged, 0, "D", color=gx.AVERAGED, markersize=9, gid=f"{name}-averaged")
    axes.plot(pair.true, 0, "o", color=gx.TRUE, markersize=10, gid=f"{name}-true")
    below = f"averaged {gx.number(pair.averaged)}"
    gx.label(axes, pair.averaged, -0.5, below, gx.AVERAGED, ha="center", va="top")
    above = f"true {gx.number(pair.true)}"
    gx.label(axes, pair.true, 0.56, above, gx.TRUE, ha="center", gid=f"{name}-true-text")
    axes.set(xlim=(-7.9, 2.0), ylim=(-1.1, 1.3))
