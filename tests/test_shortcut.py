"""Averaged backprop: where it happens to be right, and that elsewhere it is not."""

from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.closeness import assert_close, assert_same_gradient
from support.strategies import Problem, problems

from gradexplain import (
    MLP,
    Gradient,
    Trace,
    averaged_backprop,
    backprop,
    batch_gradient,
    identity,
    sigmoid,
    squared_error,
    tanh,
)

Slopes = Literal["at_mean", "mean"]
FORMS: tuple[Slopes, ...] = ("at_mean", "mean")
both_forms = pytest.mark.parametrize("slopes", FORMS)
several = st.integers(2, 6)


def _mean(rows: list[list[float]]) -> list[float]:
    return [sum(column) / len(column) for column in zip(*rows, strict=True)]


def _straight_line(trace: Trace, slopes: Slopes) -> Gradient:
    """The definition once more, number by number."""
    depth = len(trace.z)
    delta = _mean(trace.delta[-1].tolist())
    weights: list[npt.NDArray[np.float64]] = []
    biases: list[npt.NDArray[np.float64]] = []
    for l in range(depth - 1, -1, -1):
        a = _mean(trace.a[l].tolist())
        weights.insert(0, np.array([[d * v for v in a] for d in delta]))
        biases.insert(0, np.array(delta))
        if l > 0:
            f, z = trace.net.activations[l - 1], trace.z[l - 1].tolist()
            at_mean = f.derivative(np.array(_mean(z))).tolist()
            mean = _mean([f.derivative(np.array(row)).tolist() for row in z])
            slope = {"at_mean": at_mean, "mean": mean}[slopes]
            W = trace.net.weights[l].tolist()
            delta = [
                sum(delta[o] * W[o][i] for o in range(len(W))) * slope[i] for i in range(len(slope))
            ]
    return Gradient(tuple(weights), tuple(biases))


@both_forms
@given(p=problems())
def test_it_is_what_it_says(p: Problem, slopes: Slopes) -> None:
    assert_same_gradient(
        averaged_backprop(p.trace(), slopes), _straight_line(p.trace(), slopes), 1e-11
    )


def test_the_slope_is_taken_at_the_mean_unless_told() -> None:
    trace = _pair(t=1.0)
    default = averaged_backprop(trace).biases[0]
    assert np.array_equal(default, averaged_backprop(trace, "at_mean").biases[0])
    assert np.array_equal(default, averaged_backprop(trace, slopes="at_mean").biases[0])
    assert default != averaged_backprop(trace, "mean").biases[0]


@both_forms
@given(p=problems(batch_sizes=st.just(1)))
def test_it_is_right_for_one_example(p: Problem, slopes: Slopes) -> None:
    assert_same_gradient(averaged_backprop(p.trace(), slopes), batch_gradient(p.trace()))


@both_forms
@given(p=problems(batch_sizes=st.just(1)), N=several)
def test_it_is_right_for_examples_all_alike(p: Problem, N: int, slopes: Slopes) -> None:
    alike = replace(p, x=np.repeat(p.x, N, axis=0), y=np.repeat(p.y, N, axis=0)).trace()
    assert_same_gradient(averaged_backprop(alike, slopes), batch_gradient(alike))


@both_forms
@given(p=problems())
def test_the_last_bias_is_always_right(p: Problem, slopes: Slopes) -> None:
    shortcut = averaged_backprop(p.trace(), slopes)
    assert_close(shortcut.biases[-1], batch_gradient(p.trace()).biases[-1])


@both_forms
@given(p=problems(activations=(identity,)))
def test_in_a_linear_net_every_bias_is_right(p: Problem, slopes: Slopes) -> None:
    shortcut, right = averaged_backprop(p.trace(), slopes), batch_gradient(p.trace())
    for b, expected in zip(shortcut.biases, right.biases, strict=True):
        assert_close(b, expected, 1e-10)


@given(p=problems(activations=(identity,)))
def test_in_a_linear_net_both_forms_agree(p: Problem) -> None:
    assert_same_gradient(
        averaged_backprop(p.trace(), "mean"), averaged_backprop(p.trace(), "at_mean")
    )


@both_forms
@given(p=problems(batch_sizes=several, losses=(squared_error,), activations=(tanh, sigmoid)))
def test_elsewhere_it_is_wrong(p: Problem, slopes: Slopes) -> None:
    """Below the last layer nothing is right, and in the last the weights are not."""
    shortcut, right = averaged_backprop(p.trace(), slopes), batch_gradient(p.trace())
    pairs = [*zip(shortcut.weights, right.weights, strict=True)]
    pairs += zip(shortcut.biases[:-1], right.biases[:-1], strict=True)
    for wrong, expected in pairs:
        with pytest.raises(AssertionError, match="is expected"):
            assert_close(wrong, expected, 1e-8)


def _pair(t: float, mean_delta: float = 0.3, c: float = 0.1) -> Trace:
    """Theory's 1-1-1 net on x = (−t, t): the averages do not see t, the gradient does."""
    one, zero = np.ones((1, 1)), np.zeros(1)
    net = MLP([one, one], [zero, zero], [sigmoid, identity])
    x = np.array([[-t], [t]])
    odd = c / np.tanh(t / 2)  # 2σ(t) − 1 = tanh(t/2)
    delta = mean_delta + np.array([[-odd], [odd]])
    return backprop(net, x, net(x) - delta / 2, squared_error)  # δ = 2(ŷ − y)


def test_only_the_mean_slopes_see_the_spread_of_the_pair() -> None:
    for t in (0.25, 4.0):
        assert_close(averaged_backprop(_pair(t), "at_mean").biases[0], [0.3 / 4])
        slope = 1 / (2 + 2 * np.cosh(t))
        assert_close(averaged_backprop(_pair(t), "mean").biases[0], [0.3 * slope])


@both_forms
@given(p=problems(dtypes=(np.float32,)))
def test_float32_in_float32_out(p: Problem, slopes: Slopes) -> None:
    shortcut = averaged_backprop(p.trace(), slopes)
    arrays = (*shortcut.weights, *shortcut.biases)
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


@both_forms
@given(p=problems())
def test_the_trace_is_neither_changed_nor_shared(p: Problem, slopes: Slopes) -> None:
    trace = p.trace()
    kept = [array.copy() for array in (trace.losses, *trace.a, *trace.z, *trace.delta)]
    shortcut = averaged_backprop(trace, slopes)
    assert type(shortcut.weights) is tuple
    assert type(shortcut.biases) is tuple
    for array in (*shortcut.weights, *shortcut.biases):
        array.fill(7)
    for before, after in zip(kept, (trace.losses, *trace.a, *trace.z, *trace.delta), strict=True):
        assert np.array_equal(before, after)
