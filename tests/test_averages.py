"""What finitely many averages can give and cannot: statistics of a batch.

The sigmoid's slopes are independent, but only just, so the sums are done in exact arithmetic: at
θ = i log 2 and a whole number x, e^(−θx) is a power of two and σ′(θx) a fraction.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import combinations, combinations_with_replacement
from math import prod

import numpy as np
import pytest
import sympy  # type: ignore[import-untyped]  # it has no types
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import seeds

Gradient = Callable[[int, int], Fraction]
Batch = Sequence[int]


def sigmoid_gradient(i: int, x: int) -> Fraction:
    """Return the derivative of σ(θx) by θ, at θ = i log 2."""
    power = Fraction(2) ** (i * x)
    return x * power / (1 + power) ** 2


def square_gradient(i: int, x: int) -> Fraction:
    """Return the derivative of (½ − θx)² by θ, at θ = i: its statistics are x and x²."""
    return Fraction(-x * (1 - 2 * i * x))


def mean_gradient(gradient: Gradient, i: int, batch: Batch) -> Fraction:
    return sum((gradient(i, x) for x in batch), Fraction(0)) / len(batch)


def told_apart(gradient: Gradient, one: Batch, other: Batch) -> bool:
    """Tell whether two batches have different mean gradients at some θ."""
    return any(
        mean_gradient(gradient, i, one) != mean_gradient(gradient, i, other) for i in range(1, 12)
    )


# A finite list of averages serves exactly the gradients that are affine in it.


@given(seed=seeds, k=st.integers(0, 4))
def test_any_list_of_averages_is_blind_to_what_a_sigmoid_sees(seed: int, k: int) -> None:
    """Whatever k numbers each of k + 2 inputs has, two batches agree in their averages."""
    statistics = np.random.default_rng(seed).integers(-3, 4, (k, k + 2)).tolist()
    one, other = batches_that_agree(statistics)
    for row in statistics:
        assert mean(row[x - 1] for x in one) == mean(row[x - 1] for x in other)
    assert told_apart(sigmoid_gradient, one, other)


def batches_that_agree(statistics: list[list[int]]) -> tuple[Batch, Batch]:
    """Return two batches of inputs 1, 2, … of one size and with the same averages, from a null
    vector of the statistics: its positive entries count one batch's inputs, its negative ones
    the other's.
    """
    counts = sympy.Matrix([[1] * (len(statistics) + 2), *statistics]).nullspace()[0]
    counts *= sympy.ilcm(*(value.q for value in counts))
    signed = [(x, int(count)) for x, count in enumerate(counts, 1)]
    one = [x for x, count in signed for _ in range(count)]
    return one, [x for x, count in signed for _ in range(-count)]


def mean(values: Iterable[int]) -> Fraction:
    values = list(values)
    return Fraction(sum(values), len(values))


@pytest.mark.parametrize("k", range(1, 5))
def test_batches_with_equal_moments(k: int) -> None:
    """Thue and Morse: split 0 … 2^(k+1) − 1 by how many ones each number has in binary."""
    numbers = range(2 ** (k + 1))
    one, other = ([x for x in numbers if x.bit_count() % 2 == odd] for odd in (0, 1))
    agree = [mean(x**p for x in one) == mean(x**p for x in other) for p in range(k + 2)]
    assert agree == [True] * (k + 1) + [False]
    assert told_apart(sigmoid_gradient, one, other)
    assert told_apart(square_gradient, one, other) == (k < 2)


# No finite list serves a sigmoid: its slopes are linearly independent, as `proofs/Independence.v`
# proves for inputs of different size.


def test_only_inputs_of_different_size_are_independent() -> None:
    assert all(sigmoid_gradient(i, -2) == -sigmoid_gradient(i, 2) for i in range(12))
    assert all(sigmoid_gradient(i, 0) == 0 for i in range(12))


# Both hypotheses of that theorem: batches of every size, and a continuous function.

PRIMES = (2, 3, 5, 7, 11)


def small_batches(largest: int) -> list[Batch]:
    sizes = range(1, largest + 1)
    return [batch for N in sizes for batch in combinations_with_replacement(range(5), N)]


def same_mean_log_prime(one: Batch, other: Batch) -> bool:
    """Compare (Σ log p)/N: the N-th roots of two products of primes, in whole numbers."""
    a, b = (prod(PRIMES[x] for x in batch) for batch in (one, other))
    return a ** len(other) == b ** len(one)


def test_without_continuity_one_average_tells_all() -> None:
    """The mean logarithm of the x-th prime is the same only where all shares are the same."""
    pairs = list(combinations(small_batches(3), 2))
    agree = [pair for pair in pairs if same_mean_log_prime(*pair)]
    assert len(agree) > 10  # a batch, and the same batch twice over
    assert not any(told_apart(sigmoid_gradient, *pair) for pair in agree)
    same_mean = [pair for pair in pairs if mean(pair[0]) == mean(pair[1])]
    assert any(told_apart(sigmoid_gradient, *pair) for pair in same_mean)


def test_for_batches_of_two_two_sums_tell_all() -> None:
    def sums(batch: Batch) -> tuple[int, int]:
        return sum(batch), sum(x * x for x in batch)

    pairs = combinations_with_replacement(range(-9, 10), 2)
    assert max(Counter(map(sums, pairs)).values()) == 1
    assert sums([0, 3, 5, 6]) == sums([1, 2, 4, 7])  # and of four, they do not
