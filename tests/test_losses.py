"""Each loss against a plain loop, its derivative against differences, and its domain."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.closeness import assert_close, assert_each_close
from support.strategies import LOSSES, seeds, valid_targets

from gradexplain import (
    Loss,
    logistic_loss,
    signed_error,
    softmax_cross_entropy,
    squared_error,
)
from gradexplain.arrays import Array

all_losses = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])

Row = list[float]


def _squared(output: Row, target: Row) -> float:
    return sum((t - o) ** 2 for o, t in zip(output, target, strict=True))


def _signed(output: Row, target: Row) -> float:
    return sum(t - o for o, t in zip(output, target, strict=True))


def _logistic(output: Row, target: Row) -> float:
    p = [1 / (1 + math.exp(-o)) for o in output]
    return -sum(t * math.log(q) + (1 - t) * math.log(1 - q) for q, t in zip(p, target, strict=True))


def _softmax(output: Row, target: Row) -> float:
    total = sum(math.exp(o) for o in output)
    return -sum(t * math.log(math.exp(o) / total) for o, t in zip(output, target, strict=True))


NAIVE: dict[str, Callable[[Row, Row], float]] = {
    "squared error": _squared,
    "signed error": _signed,
    "logistic loss": _logistic,
    "softmax cross-entropy": _softmax,
}


def test_names() -> None:
    assert [loss.name for loss in LOSSES] == list(NAIVE)


@all_losses
@given(N=st.integers(1, 5), d=st.integers(1, 4), seed=seeds)
def test_value_is_the_plain_loop(loss: Loss, N: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    output, target = rng.standard_normal((N, d)), valid_targets(loss, (N, d), rng)
    rows = zip(output.tolist(), target.tolist(), strict=True)
    # The naive formulas lose digits of numbers near 1; all numbers here are of that size.
    expected = np.array([NAIVE[loss.name](o, t) for o, t in rows])
    size = np.abs(output).sum() + np.abs(target).sum() + 1
    assert loss(output, target).shape == (N,)
    assert np.abs(loss(output, target) - expected).max() <= 1e-14 * size**2


@all_losses
@given(N=st.integers(1, 5), d=st.integers(2, 4), seed=seeds)
def test_derivative_is_the_slope_of_the_value(loss: Loss, N: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    output, target = rng.standard_normal((N, d)), valid_targets(loss, (N, d), rng)
    assert_close(loss.derivative(output, target), _differences(loss, output, target), 1e-8)


def _differences(loss: Loss, output: Array, target: Array, h: float = 1e-3) -> Array:
    slopes = np.empty_like(output)
    for k, step in enumerate(np.eye(output.shape[1])):
        far, near = (
            loss(output + n * h * step, target) - loss(output - n * h * step, target)
            for n in (2, 1)
        )
        slopes[:, k] = (8 * near - far) / (12 * h)
    return slopes


@all_losses
def test_the_differences_notice_a_wrong_derivative(loss: Loss) -> None:
    rng = np.random.default_rng(0)
    output, target = rng.standard_normal((4, 3)), valid_targets(loss, (4, 3), rng)
    right, expected = loss.derivative(output, target), _differences(loss, output, target)
    assert_close(right, expected, 1e-8)
    for wrong in (right * 1.001, -right, right / 3, right.mean(axis=0) + 0 * right + 1e-3):
        with pytest.raises(AssertionError, match="is expected"):
            assert_close(wrong, expected, 1e-8)


def test_values_by_hand() -> None:
    output, target = np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[3.0, 1.0], [0.5, -1.0]])
    assert squared_error(output, target).tolist() == [5, 1.25]
    assert squared_error.derivative(output, target).tolist() == [[-4, 2], [-1, 2]]
    assert signed_error(output, target).tolist() == [1, -0.5]
    assert signed_error.derivative(output, target).tolist() == [[-1, -1], [-1, -1]]


@dtypes
def test_nothing_overflows_at_a_thousand(dtype: type[np.floating]) -> None:
    output = np.array([[1000, -1000], [-1000, 1000], [1000, 1000]], dtype)
    target = np.array([[0, 1]] * 3, dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert squared_error(output, target).tolist() == [2002001, 998001 + 10**6, 1998001]
        assert signed_error(output, target).tolist() == [1, 1, -1999]
        assert logistic_loss(output, target).tolist() == [2000, 0, 1000]
        assert logistic_loss.derivative(output, target).tolist() == [[1, -1], [0, 0], [1, 0]]
        expected = np.array([2000.0, 0.0, math.log(2)])
        assert_each_close(softmax_cross_entropy(output, target), expected, 1e-6)
        slope = softmax_cross_entropy.derivative(output, target)
        assert_each_close(slope, np.array([[1, -1], [0, 0], [0.5, -0.5]]), 1e-6)


def test_a_row_far_below_another_does_not_underflow() -> None:
    output, target = np.array([[0.0, 0.0], [-1000.0, -1000.0]]), np.full((2, 2), 0.5)
    assert_each_close(softmax_cross_entropy(output, target), [math.log(2)] * 2)
    assert softmax_cross_entropy.derivative(output, target).tolist() == [[0, 0], [0, 0]]


def test_logistic_loss_keeps_its_digits_where_the_prediction_is_right() -> None:
    output, tail = np.array([[40.0], [-40.0]]), math.exp(-40)
    assert_each_close(logistic_loss(output, np.array([[1.0], [0.0]])), [tail, tail])


@all_losses
@dtypes
def test_dtype_is_kept_and_nothing_is_changed_or_shared(
    loss: Loss, dtype: type[np.floating]
) -> None:
    rng = np.random.default_rng(0)
    output = rng.standard_normal((3, 2)).astype(dtype)
    target = valid_targets(loss, (3, 2), rng).astype(dtype)
    before = output.copy(), target.copy()
    value, slope = loss(output, target), loss.derivative(output, target)
    assert value.dtype == dtype
    assert slope.dtype == dtype
    assert not any(np.shares_memory(slope, given) for given in (output, target))
    assert np.array_equal(output, before[0])
    assert np.array_equal(target, before[1])


@all_losses
def test_rows_do_not_see_each_other(loss: Loss) -> None:
    rng = np.random.default_rng(0)
    output, target = rng.standard_normal((5, 3)), valid_targets(loss, (5, 3), rng)
    for i in range(5):
        alone = output[i : i + 1], target[i : i + 1]
        assert_close(loss(*alone), loss(output, target)[i : i + 1], 1e-15)
        assert_close(loss.derivative(*alone), loss.derivative(output, target)[i : i + 1], 1e-15)


def test_any_target_will_do_for_the_errors() -> None:
    output, target = np.zeros((1, 2)), np.array([[-1e6, 2.0]])
    assert squared_error(output, target).tolist() == [1e12 + 4]
    assert signed_error(output, target).tolist() == [2 - 1e6]


@dtypes
def test_the_ends_of_the_domains_belong_to_them(dtype: type[np.floating]) -> None:
    output, ends = np.zeros((1, 2), dtype), np.array([[0, 1]], dtype)
    assert_each_close(logistic_loss(output, ends), [2 * math.log(2)], 1e-6)
    assert_each_close(softmax_cross_entropy(output, ends), [math.log(2)], 1e-6)


@dtypes
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("d", [2, 4])
def test_rows_may_miss_1_by_rounding(dtype: type[np.floating], sign: int, d: int) -> None:
    """By four units of the last place for each of the row's numbers, and no more."""
    unit, output = np.finfo(dtype).eps, np.zeros((2, d), dtype)
    target = np.full((2, d), 1 / d, dtype)
    target[1, 0] += sign * 4 * d * unit
    assert softmax_cross_entropy(output, target).shape == (2,)
    target[1, 0] += sign * unit
    with pytest.raises(ValueError, match="but row 1 sums to"):
        softmax_cross_entropy(output, target)


@given(seed=seeds, N=st.integers(1, 5), d=st.integers(1, 200))
def test_a_softmax_in_float32_is_a_valid_target(seed: int, N: int, d: int) -> None:
    z = np.random.default_rng(seed).standard_normal((N, d)).astype(np.float32)
    target = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert softmax_cross_entropy(z, target).shape == (N,)
