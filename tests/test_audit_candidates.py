"""The weightings and factors that have a name: each is given where it fits, and nowhere else."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from audits import Gradient, random_parts, times, weighted

from gradexplain import Report, Verdict, audit_accumulation
from gradexplain.audit.candidates import factor_names
from gradexplain.audit.case import Case, Known, places
from gradexplain.audit.weights import Reading

COUNTS = [10.0, 90.0, 30.0, 5.0]
RIGHT = np.array(COUNTS) / sum(COUNTS)
PARTS = random_parts()
#: Parts without a common place: their weights are read without any rounding.
APART: list[Gradient] = [{"w": np.repeat(np.eye(4)[k], 4)} for k in range(4)]


def report_of(weights: npt.ArrayLike, counts: Sequence[float] = COUNTS, **known: object) -> Report:
    parts = PARTS[: len(counts)]
    return audit_accumulation(weighted(np.asarray(weights), parts), parts, counts, **known)  # type: ignore[arg-type]


# Places


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "parts[0]"),
        (2, "parts[0] and parts[1]"),
        (3, "parts[0], parts[1] and parts[2]"),
        (4, "parts[0], parts[1], parts[2] and parts[3]"),
        (5, "parts[0], …, parts[4] (5 parts)"),
        (6, "parts[0], …, parts[5] (6 parts)"),
    ],
)
def test_up_to_four_parts_are_listed(number: int, text: str) -> None:
    assert places(list(range(number))) == text


# Factors


def names(
    factor: float,
    blur: float = 0.0,
    counts: Sequence[float] | None = None,
    groups: Sequence[object] | None = None,
) -> list[str]:
    """Return the beginnings of a factor's names, for three parts of which nothing is read."""
    nothing = Reading(np.eye(3), np.zeros(3), 0.0, np.ones(3) / 3, "float64", 3, 1.0)
    known = Known(
        None if counts is None else np.array(counts),
        None if groups is None else tuple(groups),
        sketched=None,
    )
    case = Case(nothing, np.ones(3) / 3, np.zeros(3), spread=3, roomy=True, known=known)
    return [name.split(":")[0] for name in factor_names(case, factor, blur)]


def test_a_name_reaches_as_far_as_the_factor_s_blur_and_no_further() -> None:
    assert names(3.5, 0.5) == names(-3.5, 0.5) == ["K = 3"]
    assert names(3.5, 0.49) == []
    assert names(17, 1) == ["2^4"]
    assert names(3 * (1 + 9e-7)) == ["K = 3"]  # a millionth is allowed in any case
    assert names(3 * (1 + 11e-7)) == []


def test_counts_and_groups_name_factors_only_where_they_are_known() -> None:
    counts = [0.5, 0.25, 0.125]
    assert names(7 / 8, counts=counts) == ["n = 0.875"]
    assert names(8 / 7, counts=counts) == ["1/n = 1/0.875"]
    assert names(3 / (7 / 8), counts=counts) == ["K/n = 3/0.875"]
    assert names(7 / 24, counts=counts) == ["n/K = 0.875/3"]
    assert names(2, groups="aab") == ["the number of groups, 2"]
    assert names(1 / 2, groups="aab") == ["1/2"]
    assert names(2) == names(1 / 2) == names(7 / 8) == []


def test_a_factor_of_one_has_no_name() -> None:
    """It is shown where a rounding of more than its blur, but less than a millionth, is left."""
    assert names(1 + 5e-7, counts=[1 / 3] * 3, groups="aaa") == []
    assert names(1 + 5e-7) == []
    report = report_of((1 + 5e-7) * RIGHT)
    assert (report.verdict, report.notes) == (Verdict.RESCALED, ())


@pytest.mark.parametrize("power", [-64, -5, -4, 4, 5, 64])
def test_powers_of_two_are_loss_scales(power: int) -> None:
    assert names(2.0**power) == [f"2^{power}"]


@pytest.mark.parametrize("power", [-65, -3, 3, 65])
def test_powers_that_are_too_small_or_too_large_are_none(power: int) -> None:
    assert names(2.0**power) == []


# Groups


def test_means_across_three_groups_are_told_apart() -> None:
    parts, counts = random_parts(5), np.array([10.0, 90.0, 30.0, 5.0, 40.0])
    shares = np.array([100.0, 35.0, 40.0]) / 175
    for weights, says in [
        (counts / [100, 100, 35, 35, 40] / 3, "A weighs every group alike."),
        (
            np.array([1 / 6, 1 / 6, 1 / 6, 1 / 6, 1 / 3]),
            "A weighs every group alike, and in it every part.",
        ),
        (
            np.repeat(shares, [2, 2, 1]) / [2, 2, 2, 2, 1],
            "A weighs the groups rightly, but in each every part alike.",
        ),
    ]:
        A = weighted(weights, parts)
        report = audit_accumulation(A, parts, counts, groups=[0, 0, 1, 1, 2])
        assert (report.verdict, report.says) == (Verdict.MEAN_OF_GROUP_MEANS, says)


def test_a_group_without_targets_has_no_mean_by_counts() -> None:
    report = report_of([0, 0.5, 0.25, 0.25], [0, 10, 30, 20], groups="abcc")
    assert report.verdict is Verdict.REWEIGHTED
    told = report_of([1 / 3, 1 / 3, 1 / 6, 1 / 6], [0, 10, 30, 20], groups="abcc")
    assert told.says == "A weighs every group alike, and in it every part."


def test_a_part_without_targets_keeps_no_weighting_apart_from_the_right_one() -> None:
    """Groups of equal counts, each in proportion, weigh what they should; the empty part too."""
    assert report_of([0.5, 0.5, 0], [5, 5, 0], groups="aba").verdict is Verdict.EXACT


# Patterns of weights


def test_one_over_the_counts_is_told_of_a_count_of_one_too() -> None:
    inverse = 1 / np.array([10, 1, 30, 5])
    told = report_of(inverse / inverse.sum(), [10, 1, 30, 5])
    assert "in proportion to one over the counts: divided by the count twice" in told.notes
    two = report_of([0.9, 0.1], [10, 90])
    assert "in proportion to one over the counts: divided by the count twice" in two.notes


def test_a_part_without_targets_is_neither_doubled_nor_clipped() -> None:
    right = np.array([10.0, 90.0, 30.0, 0.0]) / 130
    doubled = report_of(right * [1, 2, 1, 1], [10, 90, 30, 0])
    assert doubled.verdict is Verdict.REWEIGHTED
    assert doubled.notes == ("parts[1] counted twice",)
    clipped = report_of(right * [1, 0.4, 1, 1], [10, 90, 30, 0])
    assert clipped.notes == (
        "no part weighs more than it should, the least 0.4 times: clipped parts?",
    )


def test_a_part_that_is_lost_is_not_negative_and_not_clipped() -> None:
    report = report_of([0, 0.5, 0.3, 0.2])
    assert (report.verdict, report.notes) == (Verdict.REWEIGHTED, ())
    report = audit_accumulation(weighted([0.25, 0.125, 0.25, 0], APART), APART, [7, 7, 7, 7])
    assert report.implied == (0.25, 0.125, 0.25, 0)
    assert (report.verdict, report.notes) == (Verdict.REWEIGHTED, ())


def test_a_part_counted_twice_is_named_where_nothing_is_rounded() -> None:
    report = audit_accumulation(weighted([0.5, 0.25, 0.25, 0.25], APART), APART, [7, 7, 7, 7])
    assert report.notes == ("parts[0] counted twice",)


def test_negative_weights_are_named_with_their_parts() -> None:
    report = report_of([0.1, 1.2, 0.2, -0.5])
    assert report.notes == ("negative weights: parts[3]",)
    # F may turn the sign of all of them: then none is right, and none is clipped.
    full = weighted(-RIGHT, PARTS)
    turned = audit_accumulation(weighted(-RIGHT * [2, 1.5, 3, 4], PARTS), PARTS, full=full)
    assert turned.verdict is Verdict.REWEIGHTED
    assert turned.notes == ("negative weights: parts[0], parts[1], parts[2] and parts[3]",)


def test_a_dropped_part_beside_parts_that_are_all_alike() -> None:
    report = report_of([1 / 4, 0, 1 / 4, 1 / 4])
    assert report.says == (
        "A lacks parts[1]; the others keep their proportions, every part alike, times 1."
    )
    assert report_of([1.5, 0, 1.5, 1.5]).says == (
        "A lacks parts[1]; the others keep their proportions, every part alike, times 6."
    )


def test_a_lost_part_of_zeros_is_one_that_may_have_been_dropped() -> None:
    parts = [*PARTS[:3], times(PARTS[3], 0.0)]
    report = audit_accumulation(weighted(RIGHT, parts), parts, COUNTS)
    assert report.says == ("A is the mean gradient; on this batch it is also one without parts[3].")
