"""The gradients of a trace against an independent automatic differentiation, and each other."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import autograd.numpy as anp  # type: ignore[import-untyped]  # it has no types
import numpy as np
import pytest
from autograd import grad
from autograd.extend import (  # type: ignore[import-untyped]  # as above
    defvjp,
    primitive,
)
from hypothesis import given
from support.closeness import assert_close, assert_same_gradient
from support.strategies import Problem, problems

from gradexplain import (
    MLP,
    Gradient,
    Trace,
    backprop,
    batch_gradient,
    identity,
    per_example_gradients,
    per_example_norms,
    random_mlp,
    sigmoid,
    squared_error,
    tanh,
)
from gradexplain.arrays import Array

# The network as a textbook writes it, one column at a time, for HIPS autograd to differentiate.
erf = primitive(np.vectorize(math.erf, otypes=[float]))
defvjp(erf, lambda _value, z: lambda g: g * 2 / np.sqrt(np.pi) * anp.exp(-z * z))

FORMULAS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + anp.exp(-z)),
    "tanh": anp.tanh,
    "relu": lambda z: anp.where(z > 0, z, 0),
    "softplus": lambda z: anp.log(1 + anp.exp(z)),
    "gelu": lambda z: z / 2 * (1 + erf(z / np.sqrt(2))),
}


def _logistic(o: Any, t: Any) -> Any:
    p = 1 / (1 + anp.exp(-o))
    return -anp.sum(t * anp.log(p) + (1 - t) * anp.log(1 - p))


ERRORS: dict[str, Callable[[Any, Any], Any]] = {
    "squared error": lambda o, t: anp.sum((t - o) ** 2),
    "signed error": lambda o, t: anp.sum(t - o),
    "logistic loss": _logistic,
    "softmax cross-entropy": lambda o, t: -anp.sum(t * anp.log(anp.exp(o) / anp.sum(anp.exp(o)))),
}


def _mean_loss(parameters: Any, p: Problem) -> Any:
    total = 0.0
    for x, y in zip(p.x, p.y, strict=True):
        a = x
        for W, b, f in zip(*parameters, p.net.activations, strict=True):
            a = FORMULAS[f.name](anp.dot(W, a) + b)
        total = total + ERRORS[p.loss.name](a, y)
    return total / len(p.x)


def _by_autograd(p: Problem) -> Gradient:
    weights, biases = grad(_mean_loss)((list(p.net.weights), list(p.net.biases)), p)
    return Gradient(tuple(weights), tuple(biases))


def _example(p: Problem, i: int) -> Problem:
    return replace(p, x=p.x[i : i + 1], y=p.y[i : i + 1])


def _each(gradient: Gradient, i: int) -> Gradient:
    return Gradient(tuple(W[i] for W in gradient.weights), tuple(b[i] for b in gradient.biases))


def _arrays(gradient: Gradient) -> tuple[Array, ...]:
    return (*gradient.weights, *gradient.biases)


@given(problems())
def test_batch_gradient_is_that_of_an_independent_differentiation(p: Problem) -> None:
    assert_same_gradient(batch_gradient(p.trace()), _by_autograd(p), 1e-10)


@given(problems())
def test_loss_is_that_of_the_independent_network(p: Problem) -> None:
    expected = _mean_loss((p.net.weights, p.net.biases), p)
    assert abs(p.trace().losses.mean() - expected) <= 1e-12 * np.abs(p.trace().losses).sum()


@given(problems())
def test_each_examples_gradient_is_that_of_an_independent_differentiation(p: Problem) -> None:
    each = per_example_gradients(p.trace())
    for i in range(len(p.x)):
        assert_same_gradient(_each(each, i), _by_autograd(_example(p, i)), 1e-10)


def test_batch_gradient_is_the_slope_of_the_mean_loss() -> None:
    """Differences of the package's own loss, parameter by parameter."""
    rng = np.random.default_rng(0)
    net = random_mlp((3, 4, 2), rng, tanh, sigmoid)
    x, y, h = rng.standard_normal((5, 3)), rng.standard_normal((5, 2)), 1e-3
    gradient = batch_gradient(backprop(net, x, y, squared_error))
    for array, slopes in zip((*net.weights, *net.biases), _arrays(gradient), strict=True):
        expected = np.empty_like(array)
        for k in np.ndindex(array.shape):
            kept, values = array[k], []
            for step in (-2 * h, -h, h, 2 * h):
                array[k] = kept + step
                values.append(squared_error(net(x), y).mean())
            array[k] = kept
            expected[k] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
        assert_close(slopes, expected, 1e-9)


def _flipped(trace: Trace) -> Gradient:
    right = batch_gradient(trace)
    return replace(right, biases=(-right.biases[0], *right.biases[1:]))


def _slope_forgotten(trace: Trace) -> Gradient:
    pushed_back = trace.delta[1] @ trace.net.weights[1]
    return batch_gradient(replace(trace, delta=(pushed_back, *trace.delta[1:])))


def _one_number_off(trace: Trace) -> Gradient:
    right = batch_gradient(trace)
    right.weights[0][0, 0] *= 1 + 1e-6
    return right


@pytest.mark.parametrize(
    "wrong",
    [_flipped, _slope_forgotten, _one_number_off],
)
def test_the_comparison_notices_a_wrong_gradient(wrong: Callable[[Trace], Gradient]) -> None:
    rng = np.random.default_rng(0)
    net = random_mlp((3, 3, 2), rng)  # square first weights: a transposition keeps the shape
    x, y = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    layers = list(net.weights), list(net.biases), list(net.activations)
    p = Problem(*layers, x, y, squared_error)
    assert_same_gradient(batch_gradient(p.trace()), _by_autograd(p), 1e-10)
    with pytest.raises(AssertionError, match="is expected"):
        assert_same_gradient(wrong(p.trace()), _by_autograd(p), 1e-10)


def test_the_comparison_scales_with_what_is_compared() -> None:
    assert_close(1e-7, 1e-7)
    with pytest.raises(AssertionError, match="is expected"):
        assert_close(-1e-7, 1e-7)
    with pytest.raises(AssertionError, match="is expected"):
        assert_close(1e-100, 0.0)
    with pytest.raises(AssertionError, match="is expected"):
        assert_close(np.nan, 1.0)
    with pytest.raises(AssertionError, match=r"shape \(1,\), not \(\)"):
        assert_close([1.0], 1.0)


@given(problems())
def test_mean_of_the_examples_gradients_is_the_batch_gradient(p: Problem) -> None:
    each, batch = per_example_gradients(p.trace()), batch_gradient(p.trace())
    for alone, mean in zip(_arrays(each), _arrays(batch), strict=True):
        size = np.abs(alone).mean(axis=0)
        assert alone.shape == (len(p.x), *mean.shape)
        assert np.all(np.abs(alone.mean(axis=0) - mean) <= 1e-14 * size)


@given(problems())
def test_an_examples_gradient_does_not_depend_on_its_batch(p: Problem) -> None:
    each = per_example_gradients(p.trace())
    for i in range(len(p.x)):
        assert_same_gradient(_each(each, i), batch_gradient(_example(p, i).trace()))


@given(problems())
def test_norms_are_those_of_the_gradients_built(p: Problem) -> None:
    rows = [array.reshape(len(p.x), -1) for array in _arrays(per_example_gradients(p.trace()))]
    expected = np.linalg.norm(np.concatenate(rows, axis=1), axis=1)
    norms = per_example_norms(p.trace())
    assert norms.shape == (len(p.x),)
    assert np.all(np.abs(norms - expected) <= 1e-13 * expected)


@given(problems(dtypes=(np.float32,)))
def test_float32_in_float32_out(p: Problem) -> None:
    trace = p.trace()
    gradients = *_arrays(batch_gradient(trace)), *_arrays(per_example_gradients(trace))
    assert {array.dtype for array in (*gradients, per_example_norms(trace))} == {
        np.dtype(np.float32)
    }


def test_float32_agrees_with_float64() -> None:
    rng = np.random.default_rng(0)
    net, x, y = random_mlp((3, 5, 2), rng), rng.random((8, 3)), rng.random((8, 2))
    narrow = MLP(
        [W.astype(np.float32) for W in net.weights],
        [b.astype(np.float32) for b in net.biases],
        net.activations,
    )
    expected = batch_gradient(backprop(net, x, y, squared_error))
    x, y = x.astype(np.float32), y.astype(np.float32)
    assert_same_gradient(batch_gradient(backprop(narrow, x, y, squared_error)), expected, 1e-5)


@given(problems())
def test_the_trace_is_neither_changed_nor_shared(p: Problem) -> None:
    trace = p.trace()
    kept = [array.copy() for array in (trace.losses, *trace.a, *trace.z, *trace.delta)]
    made = [
        *_arrays(batch_gradient(trace)),
        *_arrays(per_example_gradients(trace)),
        per_example_norms(trace),
    ]
    for array in made:
        array.fill(7)
    for before, after in zip(kept, (trace.losses, *trace.a, *trace.z, *trace.delta), strict=True):
        assert np.array_equal(before, after)


def test_one_neuron_by_hand() -> None:
    net = MLP([np.array([[2.0, 0.0]])], [np.array([1.0])], [identity])
    x, y = np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([[1.0], [8.0]])
    trace = backprop(net, x, y, squared_error)  # residuals 2 and −1, so deltas 4 and −2
    batch, each = batch_gradient(trace), per_example_gradients(trace)
    assert [W.tolist() for W in batch.weights] == [[[-1, 4]]]
    assert [b.tolist() for b in batch.biases] == [[1]]
    assert [W.tolist() for W in each.weights] == [[[[4, 8]], [[-6, 0]]]]
    assert [b.tolist() for b in each.biases] == [[[4], [-2]]]
    assert_close(per_example_norms(trace), np.sqrt([96, 40]), 1e-15)
    for gradient in (batch, each):
        assert type(gradient.weights) is tuple
        assert type(gradient.biases) is tuple
