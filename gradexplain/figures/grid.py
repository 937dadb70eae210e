"""Grid: one row per example, one column per weight; the mean of the rows, taken last."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain.arrays import Array
from gradexplain.figures.style import INK, MUTED, PAPER, TRUE, label, panels
from gradexplain.gradients import batch_gradient, per_example_gradients
from gradexplain.losses import squared_error
from gradexplain.network import Gradient, backprop, random_mlp

EXAMPLES = 6


def grid_data() -> tuple[Array, Array]:
    """Return the weight gradients of each example, (N, weights), and of the batch, (weights,)."""
    rng = np.random.default_rng(3)
    net = random_mlp((2, 3, 1), rng)
    x, y = rng.standard_normal((EXAMPLES, 2)), rng.standard_normal((EXAMPLES, 1))
    trace = backprop(net, x, y, squared_error)
    return _flat(per_example_gradients(trace), EXAMPLES), _flat(batch_gradient(trace), 1)[0]


def grid() -> Figure:
    """Draw a circle per example and weight: area is size, filled is positive, hollow negative."""
    each, mean = grid_data()
    figure, (axes,) = panels([250], bottom=8)
    for row, gradient in enumerate(each):
        _row(axes, row, gradient, INK, f"example {row + 1}")
    rule = EXAMPLES - 0.35
    axes.plot([-0.5, each.shape[1] - 0.5], [rule, rule], color=MUTED, linewidth=1.2)
    _row(axes, EXAMPLES + 0.3, mean, TRUE, "mean, last")
    label(axes, each.shape[1] / 2 - 0.5, -1, "one column per weight", MUTED, ha="center")
    axes.set(xlim=(-3.1, each.shape[1] - 0.4), ylim=(EXAMPLES + 0.9, -1.2), xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    return figure


def _row(axes: Axes, y: float, gradient: Array, color: str, name: str) -> None:
    label(axes, -0.8, y, name, color, ha="right", va="center")
    axes.scatter(
        np.arange(len(gradient)),
        np.full(len(gradient), y),
        s=320 * np.clip(np.abs(gradient) / 2.5, 0.01, 1),
        facecolors=[color if value > 0 else PAPER for value in gradient],
        edgecolors=color,
        linewidths=1.4,
    )


def _flat(gradient: Gradient, rows: int) -> Array:
    return np.concatenate([dW.reshape(rows, -1) for dW in gradient.weights], axis=1)
