"""The mean passes through affine functions only, and by how much it misses elsewhere."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.closeness import assert_close
from support.strategies import seeds

from gradexplain import compare_means, covariance, sigmoid
from gradexplain.arrays import Array

coefficients = st.floats(-10, 10)
sizes = st.integers(1, 20)


def test_the_threads_numbers() -> None:
    found = compare_means(sigmoid.derivative, np.array([0.0, 1.0]), sigmoid.third_derivative)
    assert round(found.mean_of_values, 5) == 0.22331
    assert round(found.value_at_mean, 5) == 0.23500
    assert round(found.gap, 5) == -0.01170
    assert found.second_order is not None
    assert round(found.second_order, 5) == -0.01204


def test_a_parabola_by_hand() -> None:
    x = np.array([1.0, 3.0])
    found = compare_means(np.square, x, lambda z: 2 * np.ones_like(z))
    assert (found.value_at_mean, found.mean_of_values, found.gap) == (4, 5, 1)
    assert found.second_order == 1  # exact, for a parabola has no further terms
    assert compare_means(np.square, x).second_order is None
    values = (found.value_at_mean, found.mean_of_values, found.gap, found.second_order)
    assert [type(value) for value in values] == [float] * 4


@given(seed=seeds, N=sizes, slope=coefficients, offset=coefficients)
def test_affine_functions_have_no_gap(seed: int, N: int, slope: float, offset: float) -> None:
    x = 10 * np.random.default_rng(seed).standard_normal(N)
    found = compare_means(lambda z: slope * z + offset, x, np.zeros_like)
    size = np.abs(slope * x).max() + abs(offset)
    assert abs(found.gap) <= 1e-14 * size
    assert found.second_order == 0


@given(seed=seeds, N=st.integers(2, 20))
def test_a_bent_function_has_one(seed: int, N: int) -> None:
    """The exponential bends up everywhere: its mean is above its value at the mean (Jensen)."""
    x = np.random.default_rng(seed).standard_normal(N)
    assert compare_means(np.exp, x).gap >= 0.4 * np.exp(x.min()) * x.var()


@given(seed=seeds)
def test_one_example_has_no_gap(seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal(1)
    found = compare_means(sigmoid, x, sigmoid.second_derivative)
    assert (found.gap, found.second_order) == (0, 0)


def test_agreement_where_the_curve_crosses_its_chord_by_luck() -> None:
    def gap(center: float) -> float:
        return compare_means(sigmoid.derivative, center + np.array([-1.0, 1.0])).gap

    assert abs(gap(1.41062)) < 2e-7
    assert gap(1.41061) < 0 < gap(1.41063)
    assert abs(gap(-1.41062) - gap(1.41062)) < 1e-15


@pytest.mark.parametrize(
    ("center", "expected"),
    [(0.5, 2), (-2.0, 2), (np.log(2 + np.sqrt(3)), 4)],  # σ‴ is zero at the last, x̄ = 1.317
)
def test_the_gap_falls_with_the_spread(center: float, expected: int) -> None:
    spreads = 0.2 * 0.5 ** np.arange(4)
    batch = np.array([-1.0, 1.0])
    gaps = [compare_means(sigmoid.derivative, center + s * batch).gap for s in spreads]
    slopes = np.diff(np.log(np.abs(gaps))) / np.diff(np.log(spreads))
    # The next term of the series is smaller by spread², and so is the error of the slope.
    assert np.all(np.abs(slopes - expected) <= spreads[:-1] ** 2)
    assert not np.any(np.abs(slopes - (6 - expected)) <= spreads[:-1] ** 2)


def test_second_order_closes_in_faster_than_the_gap_falls() -> None:
    batch = np.array([-1.0, 0.0, 1.0])
    errors = []
    for spread in (0.2, 0.1):
        x = 0.5 + spread * batch
        found = compare_means(sigmoid.derivative, x, sigmoid.third_derivative)
        assert found.second_order is not None
        errors.append(abs(found.gap - found.second_order))
    assert abs(np.log2(errors[0] / errors[1]) - 4) < 0.05


@given(seed=seeds, N=sizes)
def test_covariance_by_its_definition(seed: int, N: int) -> None:
    u, v = np.random.default_rng(seed).standard_normal((2, N))
    expected = sum(u * v) / N - sum(u) / N * sum(v) / N
    assert abs(covariance(u, v) - expected) <= 1e-14 * np.abs(u).max() * np.abs(v).max()
    assert covariance(u, v) == covariance(v, u)
    assert_close(covariance(u, u), u.var(), 1e-14)


def test_covariance_by_hand() -> None:
    u, v = np.array([0.0, 1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 2.0, 3.0])
    assert covariance(u, v) == 1.75
    assert type(covariance(u, v)) is float
    assert covariance(u + 1e8, v - 1e8) == 1.75  # E[uv] − E[u]E[v] would have no digit left


def test_float32_stays_float32_for_the_function() -> None:
    seen: list[np.dtype[np.floating]] = []

    def f(z: Array) -> Array:
        seen.append(z.dtype)
        return z

    compare_means(f, np.ones(3, np.float32), f)
    assert seen == [np.float32] * 3


def test_nothing_is_changed() -> None:
    x = np.array([0.0, 1.0])
    found = compare_means(np.exp, x)
    assert x.tolist() == [0, 1]
    with pytest.raises(FrozenInstanceError):
        found.gap = 0.0  # type: ignore[misc]  # that is the point
