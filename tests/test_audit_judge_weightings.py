"""Weightings that have a name, and parts that are left out."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from audits import ALIKE, PARTS, RIGHT, random_parts, report_of, times, weighted
from cases import known_case

from gradexplain import Verdict, audit_accumulation
from gradexplain.audit.judge import Case, Parts, Weights, directly_read
from gradexplain.audit.judge.weightings import kept_proportions, left_out, named_weightings

K = len(PARTS)
NOTHING = ("", np.zeros(0), 0.0, 0.0)
GROUPS = ["a", "a", "a", "b"]
SHARES = RIGHT[:3].sum()
U = 2.0**-11  # float16's and TensorFloat-32's


def test_means_across_three_groups_are_told_apart() -> None:
    parts, counts = random_parts(5), np.array([10.0, 90.0, 30.0, 5.0, 40.0])
    shares = np.array([100.0, 35.0, 40.0]) / 175
    for weights, says in [
        (counts / [100, 100, 35, 35, 40] / 3, "A weighs every group alike."),
        (
            np.array([1 / 6, 1 / 6, 1 / 6, 1 / 6, 1 / 3]),
            "A weighs every group alike, and the parts in a group alike.",
        ),
        (
            np.repeat(shares, [2, 2, 1]) / [2, 2, 2, 2, 1],
            "A weighs the groups correctly, but their parts alike.",
        ),
    ]:
        A = weighted(weights, parts)
        report = audit_accumulation(A, parts, counts=counts, groups=[0, 0, 1, 1, 2])
        assert (report.verdict, report.claim) == (Verdict.MEAN_OF_GROUP_MEANS, says)


def test_a_group_without_targets_has_no_mean_by_counts() -> None:
    report = report_of([0, 0.5, 0.25, 0.25], [0, 10, 30, 20], groups=list("abcc"))
    assert report.verdict is Verdict.REWEIGHTED
    report = report_of([1 / 3, 1 / 3, 1 / 6, 1 / 6], [0, 10, 30, 20], groups=list("abcc"))
    assert report.claim == "A weighs every group alike, and the parts in a group alike."


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (np.append(RIGHT[:3] / SHARES / 2, 1 / 2), "A weighs every group alike."),
        (
            [1 / 6, 1 / 6, 1 / 6, 1 / 2],
            "A weighs every group alike, and the parts in a group alike.",
        ),
        (
            np.append([SHARES / 3] * 3, RIGHT[3]),
            "A weighs the groups correctly, but their parts alike.",
        ),
    ],
)
def test_means_across_groups_are_told_apart(weights: npt.ArrayLike, says: str) -> None:
    report = report_of(weights, groups=GROUPS)
    assert (report.verdict, report.claim) == (Verdict.MEAN_OF_GROUP_MEANS, says)
    assert report_of(2 * np.asarray(weights), groups=GROUPS).claim == f"{says[:-1]}, times 2."
    assert report_of(weights).verdict is Verdict.REWEIGHTED  # nobody said that there are groups


def test_two_parallel_candidates_are_ambiguous() -> None:
    parts = [PARTS[0], times(PARTS[0], 2.0)]
    report = audit_accumulation(times(PARTS[0], 5.0), parts, counts=[10, 90])
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.claim == "Several weightings fit A."
    assert "It is the mean gradient, times 2.632." in report.notes
    assert "It weighs every part alike, times 3.333." in report.notes


def test_a_mean_of_means_of_parts_that_nearly_cancel() -> None:
    """The terms are a thousand times longer than their sum, and round accordingly."""
    parts = [{"w": part["w"]} for part in random_parts(16)]
    mean = sum(part["w"] for part in parts) / 16
    parts = [{"w": (part["w"] - 0.999 * mean).astype(np.float32)} for part in parts]
    A = weighted([1000.0] * 16, parts)
    report = audit_accumulation(A, parts, counts=np.arange(1.0, 17.0))
    assert report.verdict is Verdict.MEAN_OF_MEANS


def test_up_to_four_parts_that_may_be_missing_are_listed() -> None:
    """Five parts of zeros with equal counts: whichever is left out, the rest is renormalized."""
    parts = [*PARTS[:3], *(times(PARTS[3], 0.0) for _ in range(5))]
    counts = np.array([10, 90, 30, 4, 4, 4, 4, 4])
    A = weighted(counts / (counts.sum() - 4), parts)
    report = audit_accumulation(A, parts, counts=counts)
    assert report.claim == "Several weightings fit A."
    assert report.notes == (
        "It is the mean gradient, times 1.027.",
        *(f"It could lack parts[{k}]." for k in range(3, 7)),
    )


def test_a_part_without_targets_need_not_be_read() -> None:
    parts, counts = [*PARTS[:3], times(PARTS[3], 0.0)], np.array([10, 90, 30, 0])
    report = audit_accumulation(weighted(4 * counts / 130, parts), parts, counts=counts)
    assert report.verdict is Verdict.RESCALED
    assert report.factor == pytest.approx(4)
    assert [note[:5] for note in report.notes] == ["K = 4"]


# Dropped parts


def without(k: int, weights: npt.NDArray[np.float64] = RIGHT) -> npt.NDArray[np.float64]:
    rest = weights.copy()
    rest[k] = 0
    return rest


@pytest.mark.parametrize("k", range(K))
def test_a_dropped_part_is_named_with_what_happened_to_the_others(k: int) -> None:
    kept = report_of(without(k))
    assert kept.verdict is Verdict.DROPPED
    assert kept.claim.endswith("the others keep their proportions, not renormalized.")
    assert f"A lacks parts[{k}];" in kept.claim
    renormalized = report_of(without(k) / without(k).sum())
    assert renormalized.claim.endswith("renormalized to one.")
    scaled = report_of(K * without(k))
    assert (scaled.verdict, scaled.claim.endswith("times 4.")) == (Verdict.DROPPED, True)
    assert (
        "K = 4: summed over the parts, never divided; or parts already divided by K."
        in scaled.notes
    )
    alike = report_of(without(k, ALIKE))
    assert alike.claim == f"A lacks parts[{k}]; the others weigh alike, not renormalized."


def test_a_part_that_nearly_vanishes_is_not_dropped() -> None:
    assert report_of(without(1) + 1e-4 * RIGHT * np.eye(K)[1]).verdict is Verdict.REWEIGHTED


def test_only_the_last_part_left() -> None:
    report = report_of([0, 0, 0, 1])
    assert report.verdict is Verdict.DROPPED
    assert report.notes[0].startswith("Only the last part is left")
    first = report_of([1, 0, 0, 0])
    assert first.verdict is Verdict.DROPPED
    assert not any("the last part" in note for note in first.notes)


def test_nothing_left() -> None:
    report = report_of([0, 0, 0, 0])
    assert (report.verdict, report.claim) == (
        Verdict.DROPPED,
        "A contains none of these parts: all of them were dropped.",
    )


def test_a_dropped_part_with_the_others_out_of_proportion_is_reweighted() -> None:
    assert report_of([0, 0.5, 0.3, 0.2]).verdict is Verdict.REWEIGHTED


def test_a_part_without_targets_can_t_be_dropped() -> None:
    counts = [10, 90, 30, 0]
    report = audit_accumulation(weighted(np.array(counts) / 130, PARTS), PARTS, counts=counts)
    assert report.verdict is Verdict.EXACT


def test_a_dropped_part_beside_parts_that_are_all_alike() -> None:
    report = report_of([1 / 4, 0, 1 / 4, 1 / 4])
    assert report.claim == ("A lacks parts[1]; the others weigh alike, not renormalized.")
    assert report_of([1.5, 0, 1.5, 1.5]).claim == (
        "A lacks parts[1]; the others weigh alike, times 6."
    )


def test_nothing_left_has_a_factor_of_zero() -> None:
    assert report_of([0, 0, 0, 0]).factor == 0.0


def test_a_dropped_part_s_others_at_a_factor_of_one_have_none() -> None:
    A, counts = weighted(RIGHT * [1, 0, 1, 1], PARTS), 4.004 * RIGHT
    report = audit_accumulation(A, PARTS, counts=counts, arithmetic="tfloat32")
    assert report.claim == (
        "A lacks parts[1]; the others keep their proportions, not renormalized."
    )
    assert (report.factor, report.notes) == (1.0, ())


def test_a_part_without_targets_is_not_missing() -> None:
    counts = np.array([10, 90, 30, 0])
    report = audit_accumulation(weighted([0, 90 / 130, 30 / 130, 0], PARTS), PARTS, counts=counts)
    assert report.claim.startswith("A lacks parts[0]; the others keep")


def test_the_last_part_alone_comes_before_the_names_of_its_factor() -> None:
    report = report_of([0, 0, 0, 4 * RIGHT[3]])
    assert report.notes == (
        "Only the last part is left: are gradients zeroed before each backward pass?",
        "K = 4: summed over the parts, never divided; or parts already divided by K.",
    )


@pytest.mark.parametrize(
    ("off", "end"), [(3 * U, "renormalized to one."), (20 * U, "times 3.029.")]
)
def test_what_is_left_adds_up_to_one_within_its_own_uncertainty(off: float, end: str) -> None:
    """A third is left, so its factor is three and its sum's uncertainty a third of the factor's."""
    rest = RIGHT * [1, 0, 1, 1]
    report = report_of(rest / rest.sum() * (1 + off), arithmetic="tfloat32")
    assert report.claim == f"A lacks parts[1]; the others keep their proportions, {end}"


def test_the_rest_weighed_alike_is_named() -> None:
    report = report_of([0.5, 0, 0.5, 0.5])
    assert report.claim == ("A lacks parts[1]; the others weigh alike, times 2.")
    assert report.factor == pytest.approx(2)


# The lists by themselves


def of(values: npt.ArrayLike, expected: npt.ArrayLike = RIGHT, **parts: Any) -> Case:
    return known_case(np.asarray(values, float), np.asarray(expected, float), **parts)


def test_weightings_are_listed_once_the_expected_one_first() -> None:
    found = named_weightings(of(RIGHT))
    assert [(verdict, name) for verdict, name, _ in found] == [
        (Verdict.RESCALED, "expected"),
        (Verdict.MEAN_OF_MEANS, "alike"),
    ]
    assert found[0][2].tolist() == RIGHT.tolist()
    assert found[1][2].tolist() == [0.25] * 4
    assert [name for _, name, _ in named_weightings(of(ALIKE, ALIKE))] == ["expected"]


def test_weightings_by_group_are_worked_out_by_hand() -> None:
    expected = np.array([1.0, 3.0, 2.0, 4.0]) / 10
    found = {
        name: (verdict, weights)
        for verdict, name, weights in named_weightings(of(RIGHT, expected, groups=tuple("abaa")))
    }
    assert found["groups alike"][1] == pytest.approx([1 / 14, 1 / 2, 2 / 14, 4 / 14])
    assert found["groups and their parts alike"][1] == pytest.approx([1 / 6, 1 / 2, 1 / 6, 1 / 6])
    assert found["groups rightly, their parts alike"][1] == pytest.approx(
        [0.7 / 3, 0.3, 0.7 / 3, 0.7 / 3]
    )
    assert {verdict for verdict, _ in list(found.values())[2:]} == {Verdict.MEAN_OF_GROUP_MEANS}
    for _, name, weights in named_weightings(of(RIGHT, 3 * expected, groups=tuple("abaa"))):
        assert weights == pytest.approx(3 * found[name][1])
    one = named_weightings(of(RIGHT, expected, groups=tuple("aaaa")))
    assert [name for _, name, _ in one] == ["expected", "alike"]  # the rest are these two


def test_beside_expected_weights_that_cancel_the_others_have_a_sum_of_one() -> None:
    expected = np.array([2.0, -1.0, -0.5, -0.5])
    found = {
        name: weights.tolist()
        for _, name, weights in named_weightings(of(RIGHT, expected, groups=tuple("aabb")))
    }
    assert found["alike"] == [0.25] * 4
    assert found["groups rightly, their parts alike"] == [0.5, 0.5, -0.5, -0.5]


def test_a_weight_that_is_zero_for_certain_may_be_missing() -> None:
    read = Weights(np.array([0.25, 0.25, 0.25, 0.0]), np.zeros(4), 1e-6, np.eye(4))
    assert left_out(Case(read, Parts(ALIKE, 1e-9 * ALIKE))) == [(3,)]


def test_a_part_that_may_be_zero_may_be_missing() -> None:
    case = of([0.25, 0.25, 0.25, 0.0], ALIKE)
    assert left_out(case) == [(3,)]
    assert left_out(of(np.array([1, 1, 1, 0]) / 3, ALIKE)) == [(3,)]  # renormalized
    assert left_out(of([0.5, 0.25, 0.25, 0.0], ALIKE)) == []
    assert left_out(of(ALIKE, ALIKE)) == []


def test_parts_that_should_weigh_nothing_cannot_be_missing() -> None:
    expected = np.array([0.5, 0.5, 0.0, 0.0])
    assert left_out(of(expected, expected)) == []


def test_several_parts_may_be_missing_one_by_one_or_together() -> None:
    unread = np.array([False, False, True, True])
    case = Case(directly_read(ALIKE, 2.0**-24, unread), Parts(ALIKE, 1e-9 * ALIKE))
    assert left_out(case) == [(2,), (3,), (2, 3)]


def test_the_others_keep_the_expected_proportions_or_are_alike() -> None:
    gone = np.array([False, True, False, False])
    for factor in (1.0, 2.0, -3.0):
        name, rest, found, uncertainty = kept_proportions(of(factor * without(1)), gone) or NOTHING
        assert (name, rest.tolist()) == ("expected", without(1).tolist())
        assert found == pytest.approx(factor)
        assert 0 < uncertainty < 1e-5
    name, rest, found, _ = kept_proportions(of([0.5, 0, 0.5, 0.5]), gone) or NOTHING
    assert (name, rest.tolist()) == ("alike", [0.25, 0, 0.25, 0.25])
    assert found == pytest.approx(2)
    assert kept_proportions(of([0.5, 0, 0.3, 0.2]), gone) is None
    everything = np.ones(4, bool)
    assert kept_proportions(of(RIGHT), everything) is None
