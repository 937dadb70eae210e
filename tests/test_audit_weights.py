"""What is read off inner products, against the same computed from the gradients themselves."""

import numpy as np
import pytest
from readings import Array, reading

from gradexplain.audit.tensors import UNITS
from gradexplain.audit.weights import Reading

PARTS = np.random.default_rng(0).standard_normal((3, 40)) * np.array([[1.0], [2.0], [0.5]])
STRAY = np.random.default_rng(1).standard_normal(40)
STRAY -= np.linalg.lstsq(PARTS.T, STRAY)[0] @ PARTS  # outside their span
BASE = np.array([0.2, 0.3, 0.5])
WEIGHTS = np.array([0.7, -0.1, 0.4])
A = WEIGHTS @ PARTS + 0.01 * STRAY
NORMS = np.linalg.norm(PARTS, axis=1)
TERMS = float(BASE @ NORMS)


def of_a(total: Array = A, base: Array = BASE, dtype: str = "float64") -> Reading:
    return reading(PARTS, total, base, dtype)


def apart(K: int, dtype: str, total: Array | None = None) -> Reading:
    """Read a mean of K parts of length 1 that are at right angles: its scale is 1."""
    parts = np.eye(K, 2 * K)
    return reading(parts, parts.mean(axis=0) if total is None else total, np.ones(K) / K, dtype)


def nearly_parallel(smallest: float, weight: float, dtype: str = "float64") -> Reading:
    """Read two parts of length 1 whose difference is so short, and weighs ± `weight` in A − B."""
    gram = np.array([[1, 1 - smallest], [1 - smallest, 1]])
    along = weight * smallest * np.array([1.0, -1.0])
    return Reading(gram, along, 2 * weight**2 * smallest, np.array([0.5, 0.5]), dtype, 40, 1.0)


def near(value: object) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-15)


# Lengths


def test_lengths_and_weights_are_those_of_the_gradients() -> None:
    found = of_a()
    assert found.norms == near(NORMS)
    assert found.terms == near(TERMS)
    assert found.length == near(np.linalg.norm(A))
    assert found.weights == near(WEIGHTS)
    assert found.outside == near(0.01 * np.linalg.norm(STRAY))
    assert found.inside(WEIGHTS) == near(np.linalg.norm(WEIGHTS @ PARTS))
    assert found.distance(BASE) == near(np.linalg.norm(A - BASE @ PARTS))
    assert found.level == near(np.abs(WEIGHTS) @ NORMS / TERMS)
    assert found.scale == near(np.abs(WEIGHTS) @ NORMS)
    assert found.rank == 3
    assert found.lost == near(np.zeros((3, 3)))


def test_the_terms_of_b_are_longer_than_b_where_a_weight_is_negative() -> None:
    assert of_a(base=np.array([0.5, -0.3, 0.8])).terms == near(np.array([0.5, 0.3, 0.8]) @ NORMS)


def test_the_scale_is_never_below_the_length_of_a() -> None:
    assert of_a(total=100 * STRAY).scale == near(100 * np.linalg.norm(STRAY))


def test_lengths_that_rounding_turned_negative_are_zero() -> None:
    """One part of length 1 and A = 0: a little less than (A − B)² is left of B²."""
    one = np.ones(1)
    found = Reading(np.eye(1), -one, 1 - 1e-9, one, "float64", 40, 0.0)
    assert (found.length, found.outside) == (0.0, 0.0)
    skewed = Reading(np.array([[1.0, -1.1], [-1.1, 1.0]]), np.zeros(2), 0, one, "float64", 40, 0.0)
    assert skewed.inside(np.ones(2)) == 0.0


def test_parts_of_zeros_have_terms_at_their_own_level() -> None:
    nothing = Reading(np.zeros((2, 2)), np.zeros(2), 0.0, np.ones(2) / 2, "float64", 40, 0.0)
    assert (nothing.terms, nothing.level, nothing.rank) == (0.0, 1.0, 0)


@pytest.mark.parametrize(
    ("dtype", "limit"), [("float64", 1e-12), ("float32", (32 * 2.0**-24) ** 2), ("float16", 2**-12)]
)
def test_the_level_leaves_out_directions_that_rounding_would_blow_up(
    dtype: str, limit: float
) -> None:
    assert nearly_parallel(0.97 * limit, 10, dtype).level == pytest.approx(1)
    assert nearly_parallel(1.03 * limit, 10, dtype).level == pytest.approx(20, rel=1e-2)


# Tolerances


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
    alike = reading(twins, WEIGHTS @ twins, BASE)
    assert alike.rank == 2
    assert alike.outer == near(2e-13**0.5 * 2**0.5 * alike.scale)
    unseen = np.vstack([PARTS[0], 1e-9 * PARTS[1], PARTS[2]])
    assert reading(unseen, BASE @ unseen, BASE).outer == near(
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


def test_parts_at_the_rounding_of_the_others_are_not_seen_unless_one_looks_keenly() -> None:
    gram = np.diag([1.0, 2.0**-14, 1.01 * 2.0**-14, *np.zeros(13)])
    for keen, seen in [(False, [True, False, True]), (True, [True, True, True])]:
        found = Reading(gram, np.zeros(16), 0.0, np.eye(16)[0], "tfloat32", 40, 1.0, keen)
        assert found.visible.tolist() == seen + [False] * 13  # the limit is 4u√16 = 2⁻⁷
    for length, shown in [(0.99e-7, False), (1.01e-7, True)]:
        gram = np.diag([4.0, 4 * length**2])
        found = Reading(gram, np.zeros(2), 0.0, np.array([1.0, 0]), "float64", 40, 1.0)
        assert found.visible.tolist() == [True, shown]


# What cannot be told


def test_the_projection_on_what_leaves_no_trace_goes_with_the_parts_norms() -> None:
    """Two parts of one direction: what one gains in length the other may lose."""
    twins = np.vstack([PARTS[0], 3 * PARTS[0], PARTS[1]])
    found = reading(twins, WEIGHTS @ twins, BASE)
    assert found.lost == near(np.array([[0.5, -0.5, 0], [-0.5, 0.5, 0], [0, 0, 0]]))
    # Of all weights that give A, those nearest to B's, each in units of its part's norm.
    units = np.linalg.norm(twins, axis=1)
    moved = np.linalg.pinv((twins / units[:, np.newaxis]).T) @ ((WEIGHTS - BASE) @ twins)
    closest = BASE + moved / units
    assert found.weights == near(closest)
    assert found.blur(WEIGHTS)[:2].tolist() == [np.inf, np.inf]
    assert found.blur(WEIGHTS)[2] < 1e-6


def test_a_sum_of_weights_moves_as_far_as_the_inverse_says() -> None:
    sums = np.array([[1.0, 0, 0], [1, 1, 0], [0.5, -2, 3]])
    inverse = np.linalg.inv(PARTS @ PARTS.T)
    assert of_a().spread(sums) == near(np.sqrt(np.diag(sums @ inverse @ sums.T)))


def test_rounding_along_one_direction_is_that_of_the_largest_number() -> None:
    u = UNITS["float32"]
    total = np.full(8, 0.25)
    total[4:] = 0  # the mean: four numbers of a quarter, in all of length a half
    assert apart(4, "float32", total).noise == near(4 * (u * 2) * 0.5 + 1e-8)


def test_rounding_along_one_direction_is_never_more_than_along_all_of_them() -> None:
    found = apart(100, "float32", 100 * np.eye(100, 200)[0])  # one number alone
    assert found.noise == found.inner == near(6 * UNITS["float32"] * 100)


def test_what_is_seen_outside_the_span_is_rounding_too() -> None:
    total = np.append(np.full(16, 1 / 16), np.zeros(16))
    total[20] = 1e-3
    found = apart(16, "float16", total)
    spike = (1 / 16) / np.linalg.norm(total)
    assert found.noise == near(4 * UNITS["float16"] * 4 * spike + found.floor / 10)
    total[20] = 0.0025
    found = apart(16, "float16", total)
    spike = (1 / 16) / np.linalg.norm(total)
    assert found.inner > found.noise == near(4 * 0.0025 * spike + found.floor / 10)


def test_a_largest_number_above_the_length_is_rounding() -> None:
    one = Reading(np.eye(1), np.zeros(1), 0.0, np.ones(1), "float32", 40, peak=1.5)
    assert one.noise == near(4 * UNITS["float32"] + 1e-8)
    zero = Reading(np.eye(1), -np.ones(1), 1.0, np.ones(1), "float32", 40, peak=0.0)
    assert zero.length == 0
    assert zero.noise == near(1e-8)  # of a scale of 0 only the floor is left


def test_each_weight_is_blurred_in_proportion_and_by_the_rounding_of_a() -> None:
    found = of_a(dtype="float32")
    blur = 6 * UNITS["float32"] * np.abs(WEIGHTS) + found.noise * found.spread(np.eye(3))
    assert found.blur(WEIGHTS) == near(blur)


def test_a_weight_blurred_by_a_quarter_of_what_it_should_be_is_not_read() -> None:
    found = apart(4, "bfloat16", 2 * np.eye(4, 8).mean(axis=0))
    assert found.level == near(2)
    limit = 4 * found.noise / 2
    assert found.unread(np.array([1.01, 0.99, 1.01, 0.99]) * limit).tolist() == [False, True] * 2


@pytest.mark.parametrize(("K", "lost"), [(8, False), (16, True)])
def test_a_weight_that_should_be_zero_is_measured_by_an_even_share(K: int, *, lost: bool) -> None:
    """At 6u = 0.023 of the whole, a quarter of an eighth can be told, of a sixteenth no more."""
    found = apart(K, "bfloat16", np.eye(K, 2 * K)[0])
    assert found.level * found.terms == near(1)
    assert found.noise == near(6 * UNITS["bfloat16"])
    right = np.eye(K)[0]
    assert found.unread(right)[1:].tolist() == [lost] * (K - 1)


# Fits


def off(along: float, outside: float) -> Reading:
    """Read a mean of four that is off so far in the span, evenly, and out of it (float32)."""
    total = np.full(8, along / 2 + 0.25)
    total[4:] = [outside, 0, 0, 0]
    return apart(4, "float32", total)


@pytest.mark.parametrize(
    ("along", "outside", "loosely", "sharply"),
    [
        (0, 0, True, True),
        (0, 1.99 * 16 * 2.0**-24, True, True),
        (0, 2.01 * 16 * 2.0**-24, False, False),
        (5.9 * 2.0**-24, 0, True, True),
        (6.1 * 2.0**-24, 0, False, False),
        (5.9 * 2.0**-24, 2.01 * 16 * 2.0**-24, False, False),
        (6.1 * 2.0**-24, 1.99 * 16 * 2.0**-24, False, False),
    ],
)
def test_weights_fit_within_both_tolerances(
    along: float, outside: float, *, loosely: bool, sharply: bool
) -> None:
    found, right = off(along, outside), np.ones(4) / 4
    assert found.fits(right, sharply=False) is loosely
    assert found.fits(right) is sharply


def test_sharply_each_weight_is_right_by_itself() -> None:
    """All of the error in one weight of four: within the sum's tolerance, not in the weight's."""
    right = np.ones(64) / 64
    total = np.append(right, np.zeros(64))
    total[0] += 5.9 * 2.0**-24
    found = apart(64, "float32", total)
    assert found.fits(right, sharply=False)
    assert not found.fits(right)
    assert found.fits(found.weights)


def test_parts_cancel_where_rounding_alone_could_have_left_so_much() -> None:
    weights, limit = np.array([1.0, -1.0]), 6 * UNITS["float16"] * 2
    left = nearly_parallel((1.03 * limit) ** 2 / 2, 0.25, "float16")
    assert not left.cancels(weights)
    assert left.factor(weights)[0] == pytest.approx(0.25)
    lost = nearly_parallel((0.97 * limit) ** 2 / 2, 0.25, "float16")
    assert lost.cancels(weights)
    assert lost.cancels(-weights)
    assert lost.factor(weights) == (0.0, np.inf)


def test_the_factor_brings_a_weighted_sum_closest_to_a() -> None:
    found, right = of_a(dtype="float32"), np.array([0.1, 0.6, 0.3])
    mean = right @ PARTS
    s, blur = found.factor(right)
    assert s == near(A @ mean / (mean @ mean))
    assert blur == near(6 * UNITS["float32"] * abs(s) + found.noise / np.linalg.norm(mean))
    turned, as_blurred = of_a(total=-A, dtype="float32").factor(right)
    assert (turned, as_blurred) == (near(-s), near(blur))
