"""What a report rests on: angles, tolerances and readings, F against the parts, and what is in."""

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from audits import Gradient, plus, random_parts, times, weighted

from gradexplain import Verdict, assert_accumulates, audit_accumulation, sketch

COUNTS = [10.0, 90.0, 30.0, 5.0]
RIGHT = np.array(COUNTS) / sum(COUNTS)
PARTS = random_parts()
OTHER = random_parts(1, seed=9)[0]
MEAN = weighted(RIGHT, PARTS)


def in_dtype(dtype: str, parts: list[Gradient] = PARTS) -> list[Gradient]:
    return [{name: np.asarray(g, dtype) for name, g in part.items()} for part in parts]


# The angle


def test_the_angle_is_zero_where_a_is_the_full_gradient_to_the_last_bit() -> None:
    report = audit_accumulation(times(MEAN, 1.0), PARTS, full=MEAN)
    assert (report.angle, report.relative_error) == (0.0, 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_a_gradient_of_zero_has_no_angle_whatever_rounding_leaves(seed: int) -> None:
    parts, counts = random_parts(5, seed), [10, 90, 30, 5, 7]
    report = audit_accumulation(weighted([0] * 5, parts), parts, counts)
    assert report.angle is None
    assert report.relative_error == pytest.approx(1)
    assert "angle unknown" in str(report)


# The tolerance


def test_the_tolerance_says_how_many_roundings_it_allows() -> None:
    for dtype, why in [
        ("float16", "4u√K with u = 0.00049 of float16, K = 4"),
        ("float32", "16u√K with u = 6e-08 of float32, K = 4"),
        ("float64", "the floor"),
    ]:
        parts = in_dtype(dtype)
        assert audit_accumulation(weighted(COUNTS, parts), parts, COUNTS).why == why


def test_the_tolerance_goes_with_the_root_of_the_number_of_parts() -> None:
    parts = in_dtype("float16", random_parts(9))
    report = audit_accumulation(weighted([3.0] * 9, parts), parts, range(1, 10))
    assert report.why == "4u√K with u = 0.00049 of float16, K = 9"
    assert report.tolerance == pytest.approx(4 * 2**-11 * 3)


def test_the_full_gradient_alone_leaves_the_tolerance_as_it_is() -> None:
    """The weights are then measured from the plain mean, whose terms are no longer than A's."""
    alike = weighted([0.25] * 4, PARTS)
    report = audit_accumulation(alike, PARTS, full=times(alike, 1.0))
    assert report.verdict is Verdict.EXACT
    assert report.tolerance == pytest.approx(1e-7)


def test_of_zeros_nothing_is_right_and_half_precision_tolerates_its_smallest_number() -> None:
    nothing = in_dtype("float16", [times(part, 0.0) for part in PARTS])
    A, full = (weighted(RIGHT, nothing) for _ in range(2))
    report = audit_accumulation(A, nothing, full=full)
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.tolerance == pytest.approx(2**-25 * (641 * 4) ** 0.5)
    nothing = [times(part, 0.0) for part in PARTS]
    report = audit_accumulation(times(MEAN, 0.0), nothing, full=times(MEAN, 0.0))
    assert report.right == report.implied == (None,) * 4


# What is reported


def test_the_first_part_computed_again_differs_by_a_share_of_its_length() -> None:
    report = audit_accumulation(MEAN, PARTS, COUNTS, again=times(PARTS[0], 1.5))
    assert report.verdict is Verdict.NOT_REPRODUCIBLE
    assert report.says == (
        "The first part, computed again, differs by 0.5 of its length: randomness in it hides "
        "what the weights are."
    )


def test_extra_columns_that_explain_nothing_leave_the_weights_as_they_are() -> None:
    A = plus(MEAN, random_parts(1, seed=10)[0], 0.1)
    alone = audit_accumulation(A, PARTS, COUNTS)
    report = audit_accumulation(A, PARTS, COUNTS, extra={"theta": OTHER})
    assert report.verdict is alone.verdict is Verdict.UNEXPLAINED
    assert report.implied == alone.implied


def test_too_few_numbers_are_counted() -> None:
    parts = [{"w": np.append(part["w"].ravel()[:12], np.zeros(5))} for part in PARTS]
    report = audit_accumulation(weighted(RIGHT, parts), parts, COUNTS)
    assert report.says.startswith(
        "The parts span 4 directions of 12 numbers that are not zero: with fewer than 10 to spare"
    )


# F, the full gradient


def test_a_that_is_the_full_gradient_is_exact_within_the_tolerance() -> None:
    for off, verdict in [(1e-9, Verdict.EXACT), (1e-3, Verdict.NOT_A_MEAN)]:
        A = plus(OTHER, random_parts(1, seed=10)[0], off)
        report = audit_accumulation(A, PARTS, COUNTS, full=OTHER)
        assert report.verdict is verdict
    report = audit_accumulation(times(OTHER, 1.0), PARTS, COUNTS, full=OTHER)
    assert report.says == "A is the full gradient."
    assert report.notes == ("F is no weighted sum of the parts, so they could not have made A",)


def test_a_full_gradient_that_is_no_mean_says_so_and_how_a_stands_to_the_counts() -> None:
    says = "The full gradient is no weighted sum of the parts: no weights would make it right."
    for A, notes in [
        (MEAN, ("A is the mean of the parts by their counts",)),
        (weighted([0.25] * 4, PARTS), ("A is not the mean of the parts by their counts either",)),
    ]:
        report = audit_accumulation(A, PARTS, COUNTS, full=OTHER)
        assert (report.says, report.notes) == (says, notes)
    assert audit_accumulation(MEAN, PARTS, full=OTHER).notes == ()


@pytest.mark.parametrize(
    ("K", "listed"),
    [
        (8, "0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1"),
        (9, "0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, …"),
    ],
)
def test_up_to_eight_weights_of_the_full_gradient_are_listed(K: int, listed: str) -> None:
    parts, counts = random_parts(K), np.arange(1.0, K + 1)
    full = weighted([1 - 0.1 * (K - 1)] + [0.1] * (K - 1), parts)
    report = audit_accumulation(weighted(counts / counts.sum(), parts), parts, counts, full=full)
    assert report.verdict is Verdict.COUNTS_DIFFER
    assert report.says == ("The full gradient weighs the parts by other weights than their counts.")
    assert report.notes == (f"F's weights: {listed}", "A is the mean of the parts by their counts")


def test_a_full_gradient_that_rounding_keeps_near_the_counts_does_not_speak_against_them() -> None:
    """A tenth of a small weight is below the rounding of the sum, but not of the weight."""
    numbers = np.random.default_rng(0).standard_normal((4, 20_000))
    parts: list[Gradient] = [{"w": g} for g in numbers.astype(np.float16)]
    counts = np.array([1, 49, 25, 25])
    off = weighted(counts / 100 + [0.0012, 0, 0, 0], parts)
    A = weighted(counts / 100, parts)
    assert audit_accumulation(A, parts, counts, full=off).verdict is Verdict.EXACT


# What is handed in


def test_parts_made_as_they_go_are_named_where_they_are_wrong() -> None:
    wrong = {**PARTS[1], "w": "no array"}

    def refusal(A: object, parts: Iterable[object]) -> str:
        with pytest.raises(TypeError) as caught:
            audit_accumulation(A, parts, COUNTS)
        return str(caught.value)

    swapped = [PARTS[0], wrong, *PARTS[2:]]
    assert refusal(MEAN, iter(swapped)) == refusal(MEAN, swapped)
    assert refusal(MEAN, swapped).startswith("parts[1]['w'] must be")
    assert refusal(wrong, iter(PARTS)) == refusal(wrong, PARTS)
    assert refusal(wrong, PARTS).startswith("accumulated['w'] must be")


def test_sketches_may_be_made_as_they_go() -> None:
    def sketches() -> Iterator[object]:
        yield from (sketch(part) for part in PARTS)

    assert audit_accumulation(sketch(MEAN), sketches(), COUNTS).verdict is Verdict.EXACT


def test_the_assertion_knows_the_groups() -> None:
    weights = np.append(RIGHT[:3] / RIGHT[:3].sum() / 2, 1 / 2)
    with pytest.raises(AssertionError, match="A weighs every group alike"):
        assert_accumulates(weighted(weights, PARTS), PARTS, COUNTS, groups="aaab")
