"""Each activation and its derivatives against textbook formulas, differences and asymptotics."""

import math
from collections.abc import Callable
from typing import Any

import mpmath  # type: ignore[import-untyped]  # it has no types
import numpy as np
import numpy.typing as npt
import pytest
from support.closeness import assert_close, assert_each_close
from support.strategies import ACTIVATIONS

from gradexplain import Activation, activations, gelu, identity, relu, sigmoid, softplus, tanh
from gradexplain.arrays import Array

Complex = npt.NDArray[np.complexfloating[Any, Any]]
Numeric = Callable[[Complex], Any]


def _phi(z: Complex) -> Any:
    """Return Φ(z) by the Maclaurin series of its density, which holds on the complex plane too."""
    term, total = z, z
    for n in range(1, 100):
        term = term * (-z * z / 2) / n
        total = total + term / (2 * n + 1)
    return 0.5 + total / np.sqrt(2 * np.pi)


TEXTBOOK: dict[str, Numeric] = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "gelu": lambda z: z * _phi(z),
}
SMOOTH = (identity, sigmoid, tanh, softplus, gelu)
POINTS = np.linspace(-3, 3, 41)
all_activations = pytest.mark.parametrize("f", ACTIVATIONS, ids=lambda f: f.name)
smooth_activations = pytest.mark.parametrize("f", SMOOTH, ids=lambda f: f.name)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def _orders(f: Activation) -> list[Callable[[Array], Array]]:
    return [f, f.derivative, f.second_derivative, f.third_derivative]


def _around(f: Numeric, z: Array, order: int, radius: float = 1.0, samples: int = 128) -> Array:
    """Differentiate by Cauchy's formula: the complex step, taken all the way round z."""
    angle = 2 * np.pi * np.arange(samples) / samples
    around = f(z[:, None] + radius * np.exp(1j * angle))
    turned = around * np.exp(-1j * order * angle)
    return math.factorial(order) / radius**order * turned.mean(axis=1).real


def test_names() -> None:
    names = ["identity", "sigmoid", "tanh", "relu", "softplus", "gelu"]
    assert [f.name for f in ACTIVATIONS] == names


@smooth_activations
def test_value_is_the_textbook_one(f: Activation) -> None:
    assert_close(f(POINTS), TEXTBOOK[f.name](POINTS.astype(complex)).real, 1e-14)


@smooth_activations
@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_are_those_of_the_textbook_formula(f: Activation, order: int) -> None:
    expected = _around(TEXTBOOK[f.name], POINTS, order)
    if f is identity and order > 1:  # where the sum around leaves its rounding
        expected = expected.round(12)
    assert_close(_orders(f)[order](POINTS), expected, 1e-11)


def test_the_sum_around_notices_a_wrong_derivative() -> None:
    expected = _around(TEXTBOOK["tanh"], POINTS, 3)
    for wrong in (1.001 * expected, -expected, tanh.second_derivative(POINTS)):
        with pytest.raises(AssertionError, match="is expected"):
            assert_close(wrong, expected, 1e-11)


def test_relu_and_its_kink() -> None:
    z = np.array([-2.0, -0.0, 0.0, 5e-324, 3.0])
    assert relu(z).tolist() == [0, 0, 0, 5e-324, 3]
    assert relu.derivative(z).tolist() == [0, 0, 0, 1, 1]
    assert relu.second_derivative(z).tolist() == [0, 0, 0, 0, 0]
    assert relu.third_derivative(z).tolist() == [0, 0, 0, 0, 0]


@all_activations
@dtypes
def test_nothing_overflows_at_a_thousand(f: Activation, dtype: type[np.floating]) -> None:
    z = np.array([-1000, -100, -1, 0, 1, 100, 1000], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for g in _orders(f):
            assert np.isfinite(g(z)).all()
        assert f.second_derivative(z)[[0, -1]].tolist() == [0, 0]
        assert f.third_derivative(z)[[0, -1]].tolist() == [0, 0]


def test_values_at_a_thousand() -> None:
    z = np.array([-1000.0, 1000.0])
    values = {f.name: (f(z).tolist(), f.derivative(z).tolist()) for f in ACTIVATIONS}
    assert values == {
        "identity": ([-1000, 1000], [1, 1]),
        "sigmoid": ([0, 1], [0, 0]),
        "tanh": ([-1, 1], [0, 0]),
        "relu": ([0, 1000], [0, 1]),
        "softplus": ([0, 1000], [0, 1]),
        "gelu": ([0, 1000], [0, 1]),
    }


@pytest.mark.parametrize("z", [40.0, 700.0])
def test_sigmoid_and_softplus_keep_their_digits_in_the_tails(z: float) -> None:
    """Far out σ(−z), σ′(±z), |σ″(±z)|, σ‴(±z) and softplus(−z) are all e^−z to rounding."""
    tail, both = np.full(1, math.exp(-z)), np.array([-z, z])
    assert_each_close(sigmoid(-both[1:]), tail)
    assert_each_close(softplus(-both[1:]), tail)
    for f in (sigmoid.derivative, softplus.second_derivative):
        assert_each_close(f(both), tail * [1, 1])
    for f in (sigmoid.second_derivative, softplus.third_derivative):
        assert_each_close(f(both), tail * [1, -1])
    assert_each_close(sigmoid.third_derivative(both), tail * [1, 1])


def test_tanh_keeps_its_digits_in_the_tails() -> None:
    z, tail = np.array([-20.0, 20.0]), math.exp(-40)
    assert_each_close(tanh.derivative(z), np.array([4, 4]) * tail)
    assert_each_close(tanh.second_derivative(z), np.array([8, -8]) * tail)
    assert_each_close(tanh.third_derivative(z), np.array([16, 16]) * tail)


def units_off(found: Array, exact: Callable[[Any], Any], z: Array) -> float:
    """Return how far values are off at most, in units in the last place of the exact ones."""
    with mpmath.workdps(50):
        right = [exact(mpmath.mpf(float(each))) for each in z]
        far = [abs(mpmath.mpf(float(a)) - b) for a, b in zip(found, right, strict=True)]
        ulp = [np.spacing(found.dtype.type(abs(b))) for b in right]
        return max(float(d / mpmath.mpf(float(u))) for d, u in zip(far, ulp, strict=True))


def gelu_slope(z: Any) -> Any:
    return mpmath.ncdf(z) + z * mpmath.npdf(z)


@dtypes
@pytest.mark.parametrize(("low", "high"), [(-13, -6), (-6, -1), (-1, 0), (0, 1), (1, 9)])
def test_gelu_is_right_to_a_few_units_in_the_last_place(
    low: float, high: float, dtype: type[np.floating]
) -> None:
    z = np.random.default_rng(0).uniform(low, high, 400).astype(dtype)
    assert units_off(gelu(z), lambda t: t * mpmath.ncdf(t), z) <= 6
    z = z[np.abs(z + 0.7518) > 0.2]  # where the slope is zero, its digits cancel
    assert units_off(gelu.derivative(z), gelu_slope, z) <= 12


@pytest.mark.parametrize("z", [-37.0, -30.0, -20.0])
def test_gelu_keeps_its_digits_far_to_the_left(z: float) -> None:
    left = np.array([z])
    assert units_off(gelu(left), lambda t: t * mpmath.ncdf(t), left) <= 5
    assert units_off(gelu.derivative(left), gelu_slope, left) <= 12
    assert units_off(gelu.second_derivative(left), lambda t: (2 - t * t) * mpmath.npdf(t), left) < 5
    third = gelu.third_derivative(left)
    assert units_off(third, lambda t: (t * t - 4) * t * mpmath.npdf(t), left) <= 5


@pytest.mark.parametrize("power", [0, 7, 20])
def test_a_wrong_coefficient_is_noticed(power: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = list(activations._TAIL)  # noqa: SLF001 - to spoil it
    wrong[power] *= 1 + (1e-6 if power == 20 else 1e-13)
    monkeypatch.setattr(activations, "_TAIL", tuple(wrong))
    z = np.random.default_rng(0).uniform(-1, 0, 400)
    assert units_off(gelu(z), lambda t: t * mpmath.ncdf(t), z) > 6


def test_odd_derivatives_keep_their_digits_near_zero() -> None:
    z = np.array([-1e-9, 1e-9])
    assert_each_close(sigmoid.second_derivative(z), -z / 8)
    assert_each_close(softplus.third_derivative(z), -z / 8)
    assert_each_close(tanh.second_derivative(z), -2 * z)
    assert_each_close(tanh(z), z)


@all_activations
def test_float32_agrees_with_float64(f: Activation) -> None:
    z = np.linspace(-30, 30, 121, dtype=np.float32)
    for g in _orders(f):
        assert_close(g(z), g(z.astype(np.float64)), 1e-6)


@all_activations
@dtypes
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (2, 1, 3)])
def test_shape_and_dtype_are_kept_and_nothing_is_shared(
    f: Activation, dtype: type[np.floating], shape: tuple[int, ...]
) -> None:
    z = np.random.default_rng(0).standard_normal(shape) * np.ones(shape)
    z = np.asarray(z, dtype)
    before = z.copy()
    for g in _orders(f):
        value = g(z)
        assert type(value) is np.ndarray
        assert value.shape == shape
        assert value.dtype == dtype
        assert not np.shares_memory(value, z)
    assert np.array_equal(z, before)


@all_activations
def test_it_is_elementwise(f: Activation) -> None:
    z = POINTS[:40].reshape(5, 8)
    for g in _orders(f):
        assert np.array_equal(g(z), g(z.ravel()).reshape(z.shape))
        assert np.array_equal(g(z[::-1, ::2].T), g(z)[::-1, ::2].T)
