"""What this package does, and the least that each of its works could cost: NumPy alone.

A function prepares a case and returns what is timed. What the case is drawn from is not timed,
the package's own checks of its input are.
"""

from typing import Any

import numpy as np

import gradexplain as gx
from bench.cases import Array, Case, Run, draw_batch, draw_gradients

PACKAGES = ("numpy",)
_HIDDEN = {"relu": gx.relu, "tanh": gx.tanh}


def batch_gradient(case: Case) -> Run:
    net, x, y = _network(case)
    return lambda: gx.batch_gradient(gx.backprop(net, x, y, gx.softmax_cross_entropy))


def matrix_products(case: Case) -> Run:
    """All matrix products of one batch gradient, into arrays that are there already."""
    net, x, y = _network(case)
    trace = gx.backprop(net, x, y, gx.softmax_cross_entropy)
    forward = [(a, W.T) for a, W in zip(trace.a, net.weights, strict=False)]
    backward = list(zip(trace.delta[1:], net.weights[1:], strict=True))
    gradient = [(delta.T, a) for delta, a in zip(trace.delta, trace.a, strict=False)]
    products = [(one, other, one @ other) for one, other in forward + backward + gradient]

    def multiply() -> None:
        for one, other, out in products:
            np.matmul(one, other, out=out)

    return multiply


def per_example_gradients(case: Case) -> Run:
    net, x, y = _network(case)
    return lambda: gx.per_example_gradients(gx.backprop(net, x, y, gx.softmax_cross_entropy))


def writing(case: Case) -> Run:
    """Write as many numbers as all per-example gradients have, into new arrays."""
    batch = draw_batch(case)
    shapes = [(len(batch.x), *array.shape) for array in batch.weights + batch.biases]
    return lambda: [np.full(shape, 1, batch.x.dtype) for shape in shapes]


def per_example_norms(case: Case) -> Run:
    net, x, y = _network(case)
    return lambda: gx.per_example_norms(gx.backprop(net, x, y, gx.softmax_cross_entropy))


def gap_ledger(case: Case) -> Run:
    net, x, y = _network(case)
    return lambda: gx.gap_ledger(gx.backprop(net, x, y, gx.softmax_cross_entropy))


def audit(case: Case) -> Run:
    drawn = draw_gradients(case)
    return lambda: gx.audit_accumulation(drawn.accumulated, drawn.parts, counts=drawn.counts)


def reading(case: Case) -> Run:
    drawn = draw_gradients(case)
    return lambda: [g @ g for g in (drawn.accumulated, *drawn.parts)]


def stack_and_lstsq(case: Case) -> Run:
    """Solve for the weights as one would without the audit."""
    drawn = draw_gradients(case)
    return lambda: np.linalg.lstsq(np.stack(drawn.parts, axis=1), drawn.accumulated)[0]


def sketch(case: Case) -> Run:
    gradient = draw_gradients(case).accumulated
    return lambda: gx.sketch(gradient)


def dot_product(case: Case) -> Run:
    drawn = draw_gradients(case)
    return lambda: drawn.accumulated @ drawn.parts[0]


def arrays(result: Any) -> list[Array]:
    if isinstance(result, gx.Report):
        return [np.array(result.weights, np.float32)]
    return [result] if isinstance(result, np.ndarray) else [*result.weights, *result.biases]


def _network(case: Case) -> tuple[gx.MLP, Array, Array]:
    batch = draw_batch(case)
    hidden = [_HIDDEN[batch.hidden]] * (len(batch.weights) - 1)
    net = gx.MLP(batch.weights, batch.biases, [*hidden, gx.identity])
    return net, batch.x, batch.y
