"""Operations: what a gradient step costs by rows and by sums, counted while it is computed."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain import plotting as gx
from gradexplain.arrays import Array
from gradexplain.line import FiveSums, five_sums

SIZES = (1, 10, 100, 1000)


class Counted(float):
    """A number that counts the arithmetic done with it; so does every result."""

    done = 0


def _counting(name: str) -> Callable[..., Counted]:
    def operate(*numbers: float) -> Counted:
        Counted.done += 1
        return Counted(getattr(float, name)(*numbers))

    return operate


for _name in ["neg", "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "rpow"]:
    setattr(Counted, f"__{_name}__", _counting(f"__{_name}__"))


@dataclass(frozen=True)
class Operations:
    """The operations of one step for each batch size in `SIZES`."""

    line_by_rows: list[int]
    line_by_sums: list[int]
    sigmoid_by_rows: list[int]


def operations_data() -> Operations:
    """Count one step of the line, by rows and by sums, and one of a sigmoid neuron."""
    batches = [np.random.default_rng(N).random((2, N)) for N in SIZES]
    return Operations(
        [count(line_by_rows, x, y) for x, y in batches],
        [count(line_by_sums, five_sums(x, y)) for x, y in batches],
        [count(sigmoid_by_rows, x, y) for x, y in batches],
    )


def count(step: Callable[..., tuple[float, float]], *data: object) -> int:
    """Return how many operations a step does on its two parameters and on all that follows."""
    before = Counted.done
    step(Counted(0.3), Counted(-0.2), *data)
    return Counted.done - before


def line_by_rows(m: float, b: float, x: Array, y: Array) -> tuple[float, float]:
    """Return the line's gradient, one example after the other."""
    dm = db = 0.0
    for x_i, y_i in zip(x.tolist(), y.tolist(), strict=True):
        r = y_i - (m * x_i + b)
        dm += x_i * r
        db += r
    return -2 * dm / len(x), -2 * db / len(x)


def line_by_sums(m: float, b: float, sums: FiveSums) -> tuple[float, float]:
    """Return the line's gradient from the five sums, as `FiveSums.gradient` does."""
    dm = -2 * (sums.xy - m * sums.xx - b * sums.x) / sums.n
    db = -2 * (sums.y - m * sums.x - b * sums.n) / sums.n
    return dm, db


def sigmoid_by_rows(w: float, b: float, x: Array, y: Array) -> tuple[float, float]:
    """Return the gradient of one sigmoid neuron under squared error, one example at a time."""
    dw = db = 0.0
    for x_i, y_i in zip(x.tolist(), y.tolist(), strict=True):
        a = 1 / (1 + math.e ** -(w * x_i + b))
        delta = 2 * (a - y_i) * a * (1 - a)
        dw += delta * x_i
        db += delta
    return dw / len(x), db / len(x)


@gx.house
def operations() -> Figure:
    """Draw the counts over the batch size, both by powers of ten."""
    found, figure = operations_data(), gx.canvas(276)
    gx.heading(figure, 16, "Operations per step, counted")
    axes = gx.panel(figure, 30, 206, left=48)
    _curve(axes, found.sigmoid_by_rows, gx.INK, gx.INK, "sigmoid-by-rows")
    _curve(axes, found.line_by_rows, gx.TRUE, gx.PAPER, "line-by-rows")
    _curve(axes, found.line_by_sums, gx.TRUE, gx.TRUE, "line-by-sums")
    gx.label(axes, 1.9, 3.5, "one sigmoid, by rows", gx.INK, ha="right")
    gx.label(axes, 1.75, 2.1, "a line, by rows", gx.TRUE)
    text = f"a line, by its five sums: {found.line_by_sums[-1]}"
    gx.label(axes, 3, 0.72, text, gx.TRUE, ha="right")
    axes.set(xlim=(-0.12, 3.12), ylim=(0.4, 4.4))
    axes.set_xticks(range(4), ["1", "10", "100", "1,000"])
    axes.set_yticks(range(1, 5), ["10", "100", "1,000", "10,000"])
    axes.set_xlabel("examples N", color=gx.MUTED, labelpad=2)
    return figure


def _curve(axes: Axes, counts: list[int], color: str, face: str, name: str) -> None:
    x, y = np.log10(SIZES), np.log10(counts)
    axes.plot(x, y, "o-", color=color, markerfacecolor=face, markersize=7, linewidth=2.2, gid=name)
