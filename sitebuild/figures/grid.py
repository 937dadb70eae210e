"""Grid: one row per example, one column per weight; the mean of the rows, taken last."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain import plotting as gx
from gradexplain.arrays import Array
from gradexplain.gradients import batch_gradient, per_example_gradients
from gradexplain.losses import squared_error
from gradexplain.network import Gradient, backprop, random_mlp

EXAMPLES = 6
SIZES = (2, 3, 1)
_LARGEST = 21.0  # side of the largest square, in points


def grid_data(seed: int = 3) -> tuple[Array, Array]:
    """Return the weight gradients of each example, (N, weights), and of the batch, (weights,)."""
    rng = np.random.default_rng(seed)
    net = random_mlp(SIZES, rng)
    x, y = rng.standard_normal((EXAMPLES, SIZES[0])), rng.standard_normal((EXAMPLES, SIZES[-1]))
    trace = backprop(net, x, y, squared_error)
    return _flat(per_example_gradients(trace), EXAMPLES), _flat(batch_gradient(trace), 1)[0]


@gx.house
def grid() -> Figure:
    """Draw a square per example and weight: area is size, filled is positive, hollow negative."""
    each, mean = grid_data()
    figure = gx.canvas(298)
    axes = gx.panel(figure, 4, 290, left=12, right=12)
    gx.bare(axes)
    axes.set(xlim=(-2.95, 9.15), ylim=(EXAMPLES + 2.2, -1.5))
    _frame(axes)
    scale = float(np.abs(each).max())
    for row, gradient in enumerate(each):
        _row(axes, row, gradient / scale, gx.INK, f"example {row + 1}")
    _row(axes, EXAMPLES + 0.45, mean / scale, gx.TRUE, "mean, last")
    return figure


def _frame(axes: Axes) -> None:
    """Draw the columns down to their means, the rule, and what heads and foots the table."""
    columns = _columns()
    axes.vlines(columns, -0.55, EXAMPLES + 0.45, color=gx.GRID, linewidth=1)
    axes.plot([-2.9, columns[-1] + 0.6], [EXAMPLES - 0.3] * 2, color=gx.MUTED, linewidth=1.2)
    first = SIZES[0] * SIZES[1]
    gx.label(
        axes, columns[:first].mean(), -1, "weights of layer 1", gx.MUTED, ha="center", va="center"
    )
    gx.label(axes, columns[first:].mean(), -1, "layer 2", gx.MUTED, ha="center", va="center")
    key = "filled is positive · hollow is negative"
    gx.label(
        axes,
        columns[-1] + 0.6,
        EXAMPLES + 1.75,
        key,
        gx.MUTED,
        ha="right",
        va="center",
        fontsize=gx.SMALL,
    )


def _row(axes: Axes, y: float, gradient: Array, color: str, name: str) -> None:
    gx.label(axes, -2.9, y, name, color, va="center")
    for x, value in zip(_columns(), gradient, strict=True):
        side = max(_LARGEST * float(np.sqrt(abs(value))), 1.5)
        face = color if value > 0 else gx.PAPER
        # The outline lies inside the square, so that hollow and filled ones compare.
        axes.plot(
            x, y, "s", markersize=side - 1.2, color=color, markerfacecolor=face, markeredgewidth=1.2
        )


def _columns() -> Array:
    """Return the columns' places: a layer's weights together, a little room between layers."""
    first, second = SIZES[0] * SIZES[1], SIZES[1] * SIZES[2]
    return np.concatenate([np.arange(first), first + 0.5 + np.arange(second)])


def _flat(gradient: Gradient, rows: int) -> Array:
    return np.concatenate([dW.reshape(rows, -1) for dW in gradient.weights], axis=1)
