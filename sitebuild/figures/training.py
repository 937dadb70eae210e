"""Training: one net, the true gradient and the averaged one, five seeds, every run a line."""

from collections.abc import Callable
from functools import cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain import plotting as gx
from gradexplain.arrays import Array
from gradexplain.gradients import batch_gradient
from gradexplain.losses import squared_error
from gradexplain.network import MLP, Gradient, Trace, backprop, random_mlp
from gradexplain.shortcut import averaged_backprop

N = 64
SEEDS = range(5)
STEPS = np.arange(0, 201, 4)  # where the loss is taken
_Rule = Callable[[Trace], Gradient]
_Data = Callable[[np.random.Generator], tuple[Array, Array]]


def sine(rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw a sine with noise."""
    x = np.linspace(-3, 3, N)[:, np.newaxis]
    return x, np.sin(x) + 0.1 * rng.standard_normal(x.shape)


def rings(rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw two rings with noise, one inside the other; the targets, −1 and 1, say which."""
    angle, outer = np.linspace(0, 2 * np.pi, N), np.arange(N)[:, np.newaxis] % 2
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (1 + outer) * circle + 0.1 * rng.standard_normal((N, 2)), 2.0 * outer - 1


@cache
def training_data(rule: _Rule, data: _Data, batch: int) -> Array:
    """Return the loss over all examples at STEPS, a row per seed."""
    losses = np.array([_losses(rule, data, batch, seed) for seed in SEEDS])
    losses.flags.writeable = False  # the cache hands it to every caller
    return losses


def _losses(rule: _Rule, data: _Data, batch: int, seed: int) -> list[float]:
    rng, rate = np.random.default_rng(seed), 0.05
    x, y = data(rng)
    net = random_mlp((x.shape[1], 16, 1), rng)
    losses = []
    for number in range(STEPS[-1] + 1):
        if number in STEPS:
            losses.append(float(squared_error(net(x), y).mean()))
        rows = rng.permutation(N)[:batch]
        step = rule(backprop(net, x[rows], y[rows], squared_error))
        weights = [W - rate * dW for W, dW in zip(net.weights, step.weights, strict=True)]
        biases = [b - rate * db for b, db in zip(net.biases, step.biases, strict=True)]
        net = MLP(weights, biases, net.activations)
    return losses


@gx.house
def training() -> Figure:
    """Draw three races, loss against steps: each run a thin line, the median of the runs thick."""
    figure = gx.canvas(500)
    for row, (text, data, batch) in enumerate(
        [
            (f"Noisy sine, all {N} examples in each step", sine, N),
            ("Noisy sine, random batches of 8", sine, 8),
            ("Two rings, random batches of 8", rings, 8),
        ]
    ):
        top = 16 + 160 * row
        gx.heading(figure, top, text)
        _race(gx.panel(figure, top + 10, 108, left=44, right=78), data, batch)
    figure.axes[-1].set_xlabel("steps", color=gx.MUTED, labelpad=1)
    return figure


def _race(axes: Axes, data: _Data, batch: int) -> None:
    for rule, color, style, name in [
        (averaged_backprop, gx.AVERAGED, gx.DASHED, "averaged"),
        (batch_gradient, gx.TRUE, "-", "true"),
    ]:
        losses = training_data(rule, data, batch)
        middle = np.median(losses, axis=0)
        axes.plot(STEPS, losses.T, color=color, linewidth=0.8, alpha=0.5)
        axes.plot(STEPS, middle, color=color, linewidth=2.4, linestyle=style)
        side = "bottom" if rule is averaged_backprop else "center"
        gx.label(axes, 1.02 * STEPS[-1], middle[-1], f"{name}\n{middle[-1]:.3f}", color, va=side)
    axes.set(yscale="log", xlim=(0, STEPS[-1]), ylim=(0.015, 4), xticks=[0, 100, 200])
    axes.set_yticks([0.1, 1], ["0.1", "1"])
    axes.set_yticks([], minor=True)
    axes.set_ylabel("J", color=gx.MUTED, labelpad=4, rotation=0, va="center")
