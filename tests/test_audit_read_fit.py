"""What is read off inner products, against the same computed from the gradients themselves."""

import numpy as np
import pytest
from readings import Array, fitted, fitted_products

from gradexplain.audit.read.arithmetic import UNITS
from gradexplain.audit.read.fit import Fit, Rounding, span

PARTS = np.random.default_rng(0).standard_normal((3, 40)) * np.array([[1.0], [2.0], [0.5]])
STRAY = np.random.default_rng(1).standard_normal(40)
STRAY -= np.linalg.lstsq(PARTS.T, STRAY)[0] @ PARTS  # outside their span
BASE = np.array([0.2, 0.3, 0.5])
WEIGHTS = np.array([0.7, -0.1, 0.4])
A = WEIGHTS @ PARTS + 0.01 * STRAY
NORMS = np.linalg.norm(PARTS, axis=1)
TERMS = float(BASE @ NORMS)


def of_a(total: Array = A, base: Array = BASE, dtype: str = "float64") -> Fit:
    return fitted(PARTS, total, base, dtype)


def apart(K: int, dtype: str, total: Array | None = None) -> Fit:
    """Fit a mean of K parts of length 1 that are at right angles: its scale is 1."""
    parts = np.eye(K, 2 * K)
    return fitted(parts, parts.mean(axis=0) if total is None else total, np.ones(K) / K, dtype)


def nearly_parallel(smallest: float, weight: float, dtype: str = "float64") -> Fit:
    """Fit by two parts of length 1 whose difference is so short, and weighs ± `weight` in A − B."""
    gram = np.array([[1, 1 - smallest], [1 - smallest, 1]])
    along = weight * smallest * np.array([1.0, -1.0])
    square = 2 * weight**2 * smallest
    return fitted_products(gram, along, square, np.array([0.5, 0.5]), dtype)


def near(value: object) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-15)


def test_lengths_and_weights_are_those_of_the_gradients() -> None:
    found = of_a()
    assert found.span.norms == near(NORMS)
    assert found.span.terms == near(TERMS)
    assert found.length == near(np.linalg.norm(A))
    assert found.weights == near(WEIGHTS)
    assert found.outside == near(0.01 * np.linalg.norm(STRAY))
    assert found.span.length(WEIGHTS) == near(np.linalg.norm(WEIGHTS @ PARTS))
    assert found.level == near(np.abs(WEIGHTS) @ NORMS / TERMS)
    assert found.scale == near(np.abs(WEIGHTS) @ NORMS)
    assert found.span.rank == 3
    assert found.span.traceless == near(np.zeros(3))


def test_the_terms_of_b_are_longer_than_b_where_a_weight_is_negative() -> None:
    assert of_a(base=np.array([0.5, -0.3, 0.8])).span.terms == near(
        np.array([0.5, 0.3, 0.8]) @ NORMS
    )


def test_the_scale_is_never_below_the_length_of_a() -> None:
    assert of_a(total=100 * STRAY).scale == near(100 * np.linalg.norm(STRAY))


def test_lengths_that_rounding_turned_negative_are_zero() -> None:
    """One part of length 1 and A = 0: a little less than (A − B)² is left of B²."""
    one = np.ones(1)
    found = fitted_products(np.eye(1), -one, 1 - 1e-9, one, peak=0.0)
    assert (found.length, found.outside) == (0.0, 0.0)
    skewed = span(np.array([[1.0, -1.1], [-1.1, 1.0]]), np.ones(2), Rounding(UNITS["float64"]))
    assert skewed.length(np.ones(2)) == 0.0


def test_parts_of_zeros_have_terms_at_their_own_level() -> None:
    nothing = fitted_products(np.zeros((2, 2)), np.zeros(2), 0.0, np.ones(2) / 2, peak=0.0)
    assert (nothing.span.terms, nothing.level, nothing.span.rank) == (0.0, 1.0, 0)


@pytest.mark.parametrize(
    ("dtype", "limit"), [("float64", 1e-12), ("float32", (32 * 2.0**-24) ** 2), ("float16", 2**-12)]
)
def test_the_level_leaves_out_directions_that_rounding_would_blow_up(
    dtype: str, limit: float
) -> None:
    assert nearly_parallel(0.97 * limit, 10, dtype).level == pytest.approx(1)
    assert nearly_parallel(1.03 * limit, 10, dtype).level == pytest.approx(20, rel=1e-2)


def test_the_floor_goes_with_the_scale_or_the_terms_whichever_is_larger() -> None:
    assert of_a(total=100 * A).floor == near(1e-7 * 100 * np.abs(WEIGHTS) @ NORMS)
    assert of_a(total=1e-3 * A).floor == near(1e-7 * TERMS)


def test_half_precision_has_a_floor_of_its_own_that_grows_with_the_numbers() -> None:
    assert apart(8, "float16").floor == near(1e-7 + 2.0**-25 * np.sqrt(16 * 8))
    assert apart(8, "bfloat16").floor == near(1e-7)


@pytest.mark.parametrize(
    ("K", "dtype", "outer"),
    [
        (4, "float64", 1e-7),
        (4, "float32", 16 * 2.0**-24 * 2),
        (64, "float32", 16 * 2.0**-24 * 8),
        (256, "float32", 1e-5),  # the allowance for deep networks ends
        (4, "tfloat32", 4 * 2.0**-11 * 2),
        (9, "bfloat16", 4 * 2.0**-8 * 3),
    ],
)
def test_how_much_may_lie_outside_the_span(K: int, dtype: str, outer: float) -> None:
    assert apart(K, dtype).outer == near(outer)
    large = apart(K, dtype, 50 * np.eye(K, 2 * K).mean(axis=0))
    assert large.outer == near(50 * outer)


def test_directions_too_short_to_be_told_may_lie_outside_the_span() -> None:
    twins = np.vstack([PARTS[0], PARTS[0], PARTS[1]])
    alike = fitted(twins, WEIGHTS @ twins, BASE)
    assert alike.span.rank == 2
    assert alike.outer == near(2e-13**0.5 * 2**0.5 * alike.scale)
    unseen = np.vstack([PARTS[0], 1e-9 * PARTS[1], PARTS[2]])
    assert fitted(unseen, BASE @ unseen, BASE).outer == near(
        1e-7 * BASE @ np.linalg.norm(unseen, axis=1)
    )


@pytest.mark.parametrize(
    ("dtype", "inner"), [("float64", 1e-7), ("float32", 6 * 2.0**-24), ("bfloat16", 6 * 2.0**-8)]
)
def test_how_far_off_a_may_be_inside_the_span_and_a_weight_in_itself(
    dtype: str, inner: float
) -> None:
    found = apart(4, dtype, 3 * np.eye(4, 8).mean(axis=0))
    assert found.inner == near(3 * inner)
    assert found.relative == near(inner)


def test_parts_at_the_rounding_of_the_others_are_not_seen_unless_they_are_kept() -> None:
    gram = np.diag([1.0, 2.0**-14, 1.01 * 2.0**-14, *np.zeros(13)])
    for keep_short, seen in [(False, [True, False, True]), (True, [True, True, True])]:
        found = span(gram, np.eye(16)[0], Rounding(UNITS["tfloat32"]), keep_short=keep_short)
        assert found.visible.tolist() == seen + [False] * 13  # the limit is 4u√16 = 2⁻⁷
    for length, shown in [(0.99e-7, False), (1.01e-7, True)]:
        gram = np.diag([4.0, 4 * length**2])
        found = span(gram, np.array([1.0, 0]), Rounding(UNITS["float64"]))
        assert found.visible.tolist() == [True, shown]


def test_the_projection_on_what_leaves_no_trace_goes_with_the_parts_norms() -> None:
    """Two parts of one direction: what one gains in length the other may lose."""
    twins = np.vstack([PARTS[0], 3 * PARTS[0], PARTS[1]])
    found = fitted(twins, WEIGHTS @ twins, BASE)
    assert found.span.traceless == near(np.array([0.5, 0.5, 0]))
    # Of all weights that give A, those nearest to B's, each in units of its part's norm.
    units = np.linalg.norm(twins, axis=1)
    moved = np.linalg.pinv((twins / units[:, np.newaxis]).T) @ ((WEIGHTS - BASE) @ twins)
    closest = BASE + moved / units
    assert found.weights == near(closest)
    read = found.read()
    assert read.absolute[:2].tolist() == [np.inf, np.inf]
    assert read.uncertainty(WEIGHTS)[2] < 1e-6


def test_a_weight_moves_as_far_as_the_inverse_says() -> None:
    inverse = np.linalg.inv(PARTS @ PARTS.T)
    assert of_a().span.spread() == near(np.sqrt(np.diag(inverse)))


# How far rounding moves A along one direction


@pytest.mark.parametrize(("dtype", "own"), [("float32", 10), ("tfloat32", 2.5), ("bfloat16", 2.5)])
def test_each_part_s_rounding_adds_up_in_squares_and_the_sum_s_by_its_largest_number(
    dtype: str, own: float
) -> None:
    u = UNITS[dtype]
    total = np.full(8, 0.25)
    total[4:] = 0  # the mean of four parts: four numbers of a quarter, in all of length a half
    found = apart(4, dtype, total)
    assert found.noise() == near(own * u * 0.5 + u * 2 * 0.25 / 2 + found.floor / 10)


def test_rounding_along_one_direction_is_never_more_than_along_all_of_them() -> None:
    found = apart(100, "float32", 100 * np.eye(100, 200)[0])  # all of it in one part
    assert found.noise() == found.inner == near(6 * UNITS["float32"] * 100)


def test_what_is_seen_outside_the_span_is_rounding_too() -> None:
    total = np.append(np.full(16, 1 / 16), np.zeros(16))
    total[20] = 5e-4
    found = apart(16, "float16", total)
    u = UNITS["float16"]
    assert found.noise() == near(2.5 * u / 4 + u * 4 / 16 / 2 + found.floor / 10)
    total[20] = 0.0025
    found = apart(16, "float16", total)
    assert found.inner > found.noise() == near(0.6 * 0.0025 + found.floor / 10)


def test_the_largest_number_is_never_above_the_length() -> None:
    u = UNITS["float32"]
    one = fitted_products(np.eye(1), np.zeros(1), 0.0, np.ones(1), "float32", peak=1.5)
    assert one.noise() == one.inner == near(6 * u)
    two = fitted_products(np.eye(2) / 4, np.zeros(2), 0.0, np.ones(2), "tfloat32", peak=9.0)
    size, u = 0.5**0.5, UNITS["tfloat32"]
    assert two.length == near(size)
    assert two.noise() == near(2.5 * u * size + u * 2**0.5 * size / 2 + two.floor / 10)
    zero = fitted_products(np.eye(1), -np.ones(1), 1.0, np.ones(1), "float32", peak=0.0)
    assert zero.length == 0
    assert zero.noise() == near(1e-8)  # of a scale of 0 only the floor is left


# The rounding of parameters, where A is their difference


def test_the_rounding_of_parameters_is_added_in_squares() -> None:
    parts, mean = np.eye(4, 8), np.full(4, 0.25)
    plain = fitted(parts, mean @ parts, mean)
    found = fitted(parts, mean @ parts, mean, parameters=3e-7)
    assert found.outer == near(np.hypot(plain.outer, 4 * 3e-7))
    assert found.inner == near(np.hypot(plain.inner, 3e-7))
    assert found.noise() == near(plain.noise() + 3e-7)
    assert found.relative == plain.relative


# What the judge is given


def test_weights_are_read_with_their_uncertainty_and_in_units_of_rounding() -> None:
    found = of_a(dtype="float32")
    read = found.read()
    assert read.values.tolist() == found.weights.tolist()
    assert read.absolute == near(found.noise() * found.span.spread())
    assert (read.relative, read.level) == (found.relative, found.level)
    assert found.outside > found.outer > found.inner
    assert read.metric == near(PARTS @ PARTS.T / found.outside**2)
    assert read.noise == near(found.noise() / found.outside)
    inside = of_a(total=WEIGHTS @ PARTS, dtype="float32")
    assert inside.read().metric == near(PARTS @ PARTS.T / inside.inner**2)
    assert inside.read().noise == near(inside.noise() / inside.inner)


def test_of_parts_that_are_not_visible_nothing_is_read() -> None:
    unseen = np.vstack([PARTS[0], 1e-9 * PARTS[1], PARTS[2]])
    assert np.isinf(fitted(unseen, BASE @ unseen, BASE).read().absolute).tolist() == [
        False,
        True,
        False,
    ]


def test_of_parts_of_zeros_nothing_is_read() -> None:
    nothing = fitted_products(np.zeros((2, 2)), np.zeros(2), 0.0, np.ones(2) / 2, peak=0.0)
    read = nothing.read()
    assert read.metric.tolist() == [[0, 0], [0, 0]]
    assert np.isinf(read.absolute).all()


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_a_coarser_arithmetic_would_allow_four_of_its_units_times_root_k(name: str) -> None:
    found = apart(9, "float32", 50 * np.eye(9, 18).mean(axis=0))
    assert found.allowed(UNITS[name]) == near(4 * UNITS[name] * 3 * 50)


def test_a_weight_uncertain_by_a_quarter_of_what_it_should_be_is_not_read() -> None:
    found = apart(4, "bfloat16", 2 * np.eye(4, 8).mean(axis=0))
    assert found.level == near(2)
    limit = 4 * found.noise() / 2
    read = found.read()
    assert read.unread(np.array([1.01, 0.99, 1.01, 0.99]) * limit).tolist() == [False, True] * 2


# Fits


def off(along: float, outside: float) -> Fit:
    """Fit a mean of four that is off so far in the span, evenly, and out of it (float32)."""
    total = np.full(8, along / 2 + 0.25)
    total[4:] = [outside, 0, 0, 0]
    return apart(4, "float32", total)


@pytest.mark.parametrize(
    ("along", "outside", "fits"),
    [
        (0, 0, True),
        (0, 1.99 * 16 * 2.0**-24, True),
        (5.9 * 2.0**-24, 0, True),
        (6.1 * 2.0**-24, 0, False),
        (6.1 * 2.0**-24, 1.99 * 16 * 2.0**-24, False),
        (31 * 2.0**-24, 2.01 * 16 * 2.0**-24, True),  # as much may lie inside as outside
        (33 * 2.0**-24, 2.01 * 16 * 2.0**-24, False),
    ],
)
def test_weights_fit_within_the_tolerance_inside_the_span(
    along: float, outside: float, *, fits: bool
) -> None:
    found, mean = off(along, outside), np.ones(4) / 4
    assert found.read().fits(mean, sharply=False) is fits
    assert (found.outside > found.outer) is (outside > 32 * 2.0**-24)


def test_sharply_each_weight_fits_by_itself() -> None:
    """All of the error in one weight of 64: within the sum's tolerance, not in the weight's."""
    mean = np.ones(64) / 64
    total = np.append(mean, np.zeros(64))
    total[0] += 5.9 * 2.0**-24
    read = apart(64, "float32", total).read()
    assert read.fits(mean, sharply=False)
    assert not read.fits(mean)
    assert read.fits(read.values)


def test_parts_cancel_where_rounding_could_have_left_so_much() -> None:
    weights, limit = np.array([1.0, -1.0]), 6 * UNITS["float16"] * 2
    left = nearly_parallel((1.03 * limit) ** 2 / 2, 0.25, "float16").read()
    assert not left.cancels(weights)
    assert left.factor(weights)[0] == pytest.approx(0.25)
    lost = nearly_parallel((0.97 * limit) ** 2 / 2, 0.25, "float16").read()
    assert lost.cancels(weights)
    assert lost.cancels(-weights)
    assert lost.factor(weights) == (0.0, np.inf)


def test_the_factor_brings_a_weighted_sum_closest_to_a() -> None:
    found, expected = of_a(dtype="float32"), np.array([0.1, 0.6, 0.3])
    mean = expected @ PARTS
    s, uncertainty = found.read().factor(expected)
    assert s == near(A @ mean / (mean @ mean))
    assert uncertainty == near(6 * UNITS["float32"] * abs(s) + found.noise() / np.linalg.norm(mean))
    negative, as_uncertain = of_a(total=-A, dtype="float32").read().factor(expected)
    assert (negative, as_uncertain) == (near(-s), near(uncertainty))
