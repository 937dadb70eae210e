"""Each theorem: a search finds no counter-example, and finds one where a hypothesis is dropped.

Where a search cannot, the known counter-example is tested. `searches` explains the searching.
"""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import sympy  # type: ignore[import-untyped]  # it has no types
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import Polynomial
from support.searches import (
    Function,
    level_data_sets,
    level_pair,
    level_pair_in_the_plane,
    slope,
)
from support.strategies import seeds

from gradexplain import compare_means, relu, sigmoid
from gradexplain.arrays import Array

sizes = st.integers(2, 8)


# The gradient is linear: weights must not depend on θ, and each loss must read its own example.


def losses(theta: Any, x: Array, y: Array) -> Any:
    return (y - np.tanh(theta * x)) ** 2


def coupled_losses(theta: Any, x: Array, y: Array) -> Any:
    """As with batch normalization: each activation is centered by all the others."""
    a = np.tanh(theta * x)
    return (y - (a - a.mean())) ** 2


def is_linear(weights: Function, theta: float, x: Array, y: Array) -> bool:
    """Compare the gradient of the weighted mean loss with the weighted mean of the gradients."""
    whole = slope(lambda t: np.sum(weights(t) * losses(t, x, y)), theta)
    each = weights(theta) * slope(lambda t: losses(t, x, y), theta)
    return bool(abs(whole - each.sum()) <= 1e-13 * np.abs(each).sum())


@given(seed=seeds, N=sizes)
def test_the_gradient_is_linear_if_the_weights_do_not_move(seed: int, N: int) -> None:
    rng = np.random.default_rng(seed)
    theta, (x, y), fixed = rng.normal(), rng.standard_normal((2, N)), rng.dirichlet(np.ones(N))
    assert is_linear(lambda _: fixed, theta, x, y)
    assert not is_linear(lambda t: np.exp(t * x) / np.exp(t * x).sum(), theta, x, y)


@given(seed=seeds, N=sizes)
def test_the_gradient_is_linear_if_no_loss_reads_another_example(seed: int, N: int) -> None:
    rng = np.random.default_rng(seed)
    theta, (x, y) = rng.normal(), rng.standard_normal((2, N))

    def miss(loss: Callable[..., Any]) -> float:
        whole = slope(lambda t: loss(t, x, y).mean(), theta)
        alone = [slope(partial(loss, x=x[[i]], y=y[[i]]), theta) for i in range(N)]
        return float(abs(whole - np.mean(alone)) / (abs(whole) + np.abs(alone).max()))

    assert miss(losses) <= 1e-13
    assert miss(coupled_losses) > 1e-6


# An average passes through f, for every batch, exactly if f is affine; f is to be continuous.

BENT: list[Function] = [np.square, np.abs, np.exp, np.sin, relu, sigmoid, sigmoid.derivative]


def refuted(f: Function, batches: Iterable[Array]) -> bool:
    """Tell whether some batch shows that f does not let the mean through."""
    return any(abs(compare_means(f, x).gap) > 1e-12 * (1 + np.abs(f(x)).max()) for x in batches)


def drawn_batches() -> list[Array]:
    rng = np.random.default_rng(0)
    return [3 * rng.standard_normal(N) for N in (2, 3, 5) for _ in range(10)]


def test_affine_functions_pass_every_batch_and_no_others_do() -> None:
    assert not refuted(lambda z: 3 * z - 7, drawn_batches())
    assert [f for f in BENT if not refuted(f, drawn_batches())] == []


def test_some_batches_are_not_every_batch() -> None:
    symmetric = [np.concatenate([x, -x]) for x in drawn_batches()]
    assert not refuted(lambda z: z**3, symmetric)
    assert refuted(lambda z: z**3, drawn_batches())


def test_without_continuity_a_function_that_is_not_affine_passes() -> None:
    """On the numbers p + q √2 with rational p and q, take p: it is additive, and no line."""
    root = sympy.sqrt(2)

    def rational_part(number: Any) -> Any:
        return sympy.expand(number).as_independent(root, as_Add=True)[0]

    rng = np.random.default_rng(0)
    for N in range(1, 6):
        batch = [int(p) + sympy.Rational(int(q), 7) * root for p, q in rng.integers(-9, 9, (N, 2))]
        assert rational_part(sum(batch) / N) == sum(map(rational_part, batch)) / N
    values = [(x, rational_part(x)) for x in (sympy.Integer(0), sympy.Integer(1), 1 + root)]
    assert [(v - u) / (b - a) for (a, u), (b, v) in pairwise(values)] == [1, 0]


# A g with J′ = g(J) exists exactly if J is monotone, on one interval.


@given(
    turns=st.dictionaries(st.integers(-3, 3), st.integers(1, 3), max_size=3),
    sign=st.sampled_from([-1, 1]),
)
def test_g_exists_exactly_if_the_loss_is_monotone(turns: dict[int, int], sign: int) -> None:
    """J′ has zeros of known orders, so J is monotone exactly if all are even."""
    derivative = Polynomial([sign])
    for zero, order in turns.items():
        derivative *= Polynomial([-zero, 1]) ** order
    J = derivative.integ()
    pair = level_pair(J, derivative, (-4, 4))
    assert (pair is None) == all(order % 2 == 0 for order in turns.values())
    if pair is not None:
        assert abs(J(pair[0]) - J(pair[1])) <= 1e-12 * np.abs(J(np.linspace(-4, 4))).max()
        assert derivative(pair[0]) < derivative(pair[1])


def plateau(theta: Any) -> Any:
    return np.maximum(0, theta) ** 2


def plateau_slope(theta: Any) -> Any:
    return 2 * np.maximum(0, theta)


def test_a_monotone_loss_may_have_a_minimum_on_a_plateau() -> None:
    theta = np.linspace(-2, 2, 41)
    assert level_pair(plateau, plateau_slope, (-2, 2)) is None
    assert np.allclose(plateau_slope(theta), 2 * np.sqrt(plateau(theta)), rtol=1e-15, atol=0)


def test_on_two_intervals_a_loss_may_turn_and_have_a_g() -> None:
    """It rises on (0, 1) and falls on (2, 3): at heights of their own, or at the same ones."""

    def found(top: float) -> bool:
        def height(theta: Any) -> Any:
            return np.where(theta < 1.5, theta, top - theta)

        def its_slope(theta: Any) -> Any:
            return np.where(theta < 1.5, 1.0, -1.0)

        return level_pair(height, its_slope, (0.0, 1.0), (2.0, 3.0)) is not None

    assert not found(top=12.0)
    assert found(top=3.5)


def test_random_draws_would_find_no_pair() -> None:
    drawn = np.random.default_rng(0).uniform(-2, 3, 1000)
    assert len(set(drawn**2)) == 1000
    assert level_pair(np.square, lambda theta: 2 * theta, (-2, 3)) is not None


# In several parameters: exactly J = h(a·θ) with h monotone, if J lives on the whole space.


def everywhere(_: Array) -> bool:
    return True


def in_the_disc(theta: Array) -> bool:
    return bool(theta @ theta < 1)


def test_a_loss_of_one_direction_has_a_g_exactly_if_it_is_monotone_along_it() -> None:
    a = np.array([0.6, -0.8])

    def found(h: Function, derivative: Function) -> bool:
        gradient: Function = lambda theta: derivative(a @ theta) * a  # noqa: E731 - as short as h
        return level_pair_in_the_plane(lambda theta: h(a @ theta), gradient, everywhere) is not None

    assert not found(np.exp, np.exp)
    assert not found(lambda s: s**3, lambda s: 3 * s**2)
    assert not found(plateau, plateau_slope)
    assert found(np.sin, np.cos)
    assert found(np.square, lambda s: 2 * s)


def test_monotone_in_each_parameter_is_not_enough() -> None:
    def sum_of_exponentials(theta: Array) -> Any:
        return np.exp(theta).sum()

    assert level_pair_in_the_plane(sum_of_exponentials, np.exp, everywhere) is not None


def test_on_a_disc_two_directions_may_share_one_g() -> None:
    """Two caps of the disc, with a plateau between: one falls to the left, one rises upward."""

    def found(left_sign: int, inside: Function) -> bool:
        def height(theta: Array) -> Any:
            return plateau(theta[1] - 0.75) + left_sign * plateau(-theta[0] - 0.75)

        def gradient(theta: Array) -> Array:
            left, up = plateau_slope(-theta[0] - 0.75), plateau_slope(theta[1] - 0.75)
            return np.array([-left_sign * left, up])

        return level_pair_in_the_plane(height, gradient, inside, draws=20000) is not None

    assert not found(-1, in_the_disc)
    assert found(-1, everywhere)  # there the caps meet
    assert found(1, in_the_disc)  # two that rise reach the same heights


# One g for every data set is affine, if the losses that examples can have fill an interval.


def drawn_theta(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.5, 1.5))


#: Losses of an example C, with their slopes: each takes θ, then C.
FAMILIES: dict[str, tuple[Function, Function]] = {
    "one rate": (
        lambda t: lambda C: C * np.exp(0.7 * t) - 2,
        lambda t: lambda C: 0.7 * C * np.exp(0.7 * t),
    ),
    "no rate": (lambda t: lambda C: C + 3 * t, lambda _: lambda _: 3.0),
    "own rates": (lambda t: lambda C: np.exp(-C * t), lambda t: lambda C: -C * np.exp(-C * t)),
    "cubes": (lambda t: lambda C: C + t**3, lambda t: lambda _: 3 * t**2),
    "squares": (lambda t: lambda C: (C + 9 - t) ** 2, lambda t: lambda C: -2 * (C + 9 - t)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_one_g_for_every_data_set_is_affine(name: str) -> None:
    allowed = {"one rate", "no rate"}
    assert (level_data_sets(*FAMILIES[name], drawn_theta) is None) == (name in allowed)


def test_where_no_g_serves_all_a_data_set_may_have_its_own() -> None:
    """It has one if its own mean loss is monotone: here, if all rates have one sign."""

    def found(rates: list[float]) -> bool:
        mean, its_slope = (
            np.vectorize(lambda t, f=f: np.mean([f(t)(C) for C in rates]))
            for f in FAMILIES["own rates"]
        )
        return level_pair(mean, its_slope, (-2.0, 2.0)) is not None

    assert not found([1, 2, 3])
    assert found([-1, 2, 3])


def test_a_single_loss_needs_no_affine_g() -> None:
    """Without 'fill an interval': every data set is a copy of θ³, and g(z) = 3 z^(2/3)."""

    def g(z: Any) -> Any:
        return 3 * np.cbrt(z) ** 2

    theta = np.linspace(-2, 2, 40)
    assert np.allclose(3 * theta**2, g(theta**3), rtol=1e-12, atol=0)
    assert level_pair(lambda t: t**3, lambda t: 3 * t**2, (-2, 2)) is None
    assert refuted(g, drawn_batches())
