"""Weightings that have a name, and parts that are left out."""

import numpy as np
import numpy.typing as npt
import pytest
from audits import COUNTS, RIGHT, Gradient, plus, random_parts, times, weighted

from gradexplain import Report, Verdict, audit_accumulation, sketch

PARTS = random_parts()
K = len(PARTS)
ALIKE = np.ones(K) / K


def verdict_of(weights: npt.ArrayLike, **options: object) -> Report:
    A = weighted(np.asarray(weights), PARTS)
    return audit_accumulation(A, PARTS, counts=COUNTS, **options)  # type: ignore[arg-type]


def report_of(weights: npt.ArrayLike, counts: Sequence[float] = COUNTS, **known: object) -> Report:
    parts = PARTS[: len(counts)]
    return audit_accumulation(weighted(np.asarray(weights), parts), parts, counts=counts, **known)  # type: ignore[arg-type]


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
        report = audit_accumulation(A, parts, counts=counts, groups=[0, 0, 1, 1, 2])
        assert (report.verdict, report.claim) == (Verdict.MEAN_OF_GROUP_MEANS, says)


def test_a_group_without_targets_has_no_mean_by_counts() -> None:
    report = report_of([0, 0.5, 0.25, 0.25], [0, 10, 30, 20], groups="abcc")
    assert report.verdict is Verdict.REWEIGHTED
    told = report_of([1 / 3, 1 / 3, 1 / 6, 1 / 6], [0, 10, 30, 20], groups="abcc")
    assert told.claim == "A weighs every group alike, and in it every part."


GROUPS = ["a", "a", "a", "b"]
SHARES = RIGHT[:3].sum()


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (np.append(RIGHT[:3] / SHARES / 2, 1 / 2), "A weighs every group alike."),
        ([1 / 6, 1 / 6, 1 / 6, 1 / 2], "A weighs every group alike, and in it every part."),
        (
            np.append([SHARES / 3] * 3, RIGHT[3]),
            "A weighs the groups rightly, but in each every part alike.",
        ),
    ],
)
def test_means_across_groups_are_told_apart(weights: npt.ArrayLike, says: str) -> None:
    report = verdict_of(weights, groups=GROUPS)
    assert (report.verdict, report.claim) == (Verdict.MEAN_OF_GROUP_MEANS, says)
    assert verdict_of(2 * np.asarray(weights), groups=GROUPS).claim == f"{says[:-1]}, times 2."
    assert verdict_of(weights).verdict is Verdict.REWEIGHTED  # nobody said that there are groups


def test_two_parallel_candidates_are_ambiguous() -> None:
    parts = [PARTS[0], times(PARTS[0], 2.0)]
    report = audit_accumulation(times(PARTS[0], 5.0), parts, counts=[10, 90])
    assert report.verdict is Verdict.AMBIGUOUS
    assert "is the mean gradient, times" in report.claim
    assert "weighs every part alike, times" in report.claim


def test_a_mean_of_means_of_parts_that_nearly_cancel() -> None:
    """The terms are a thousand times longer than their sum, and round accordingly."""
    parts = [{"w": part["w"]} for part in random_parts(16)]
    mean = sum(part["w"] for part in parts) / 16
    parts = [{"w": (part["w"] - 0.999 * mean).astype(np.float32)} for part in parts]
    A = weighted([1000.0] * 16, parts)
    report = audit_accumulation(A, parts, counts=np.arange(1.0, 17.0))
    assert report.verdict is Verdict.MEAN_OF_MEANS


def test_candidates_that_would_each_fit_are_listed_with_their_factors() -> None:
    parts = [PARTS[0], times(PARTS[0], 2.0)]
    report = audit_accumulation(times(PARTS[0], 5.0), parts, counts=[10, 90])
    assert report.claim == (
        "A is the mean gradient, times 2.632; or weighs every part alike, times 3.333: "
        "each would fit."
    )


def test_parts_that_may_be_missing_are_listed_four_of_them() -> None:
    """Five parts of zeros with equal counts: whichever is left out, the rest is renormalized."""
    parts = [*PARTS[:3], *(times(PARTS[3], 0.0) for _ in range(5))]
    counts = np.array([10, 90, 30, 4, 4, 4, 4, 4])
    A = weighted(counts / (counts.sum() - 4), parts)
    report = audit_accumulation(A, parts, counts=counts)
    assert report.claim == (
        "A is the mean gradient, times 1.027; or it is one without parts[3]; one without parts[4]; "
        "one without parts[5]; one without parts[6]: each would fit."
    )


def test_a_part_without_targets_need_not_be_told() -> None:
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
    kept = verdict_of(without(k))
    assert kept.verdict is Verdict.DROPPED
    assert kept.claim.endswith("the others keep their proportions, not renormalized.")
    assert f"A lacks parts[{k}];" in kept.claim
    renormalized = verdict_of(without(k) / without(k).sum())
    assert renormalized.claim.endswith("renormalized to one.")
    scaled = verdict_of(K * without(k))
    assert (scaled.verdict, scaled.claim.endswith("times 4.")) == (Verdict.DROPPED, True)
    assert (
        "K = 4: summed over the parts, never divided; or parts already divided by K" in scaled.notes
    )
    alike = verdict_of(without(k, ALIKE))
    assert alike.claim.endswith("their proportions, every part alike, times 1.") or (
        "every part alike" in alike.claim
    )


def test_a_part_that_nearly_vanishes_is_not_dropped() -> None:
    assert verdict_of(without(1) + 1e-4 * RIGHT * np.eye(K)[1]).verdict is Verdict.REWEIGHTED


def test_only_the_last_part_left() -> None:
    report = verdict_of([0, 0, 0, 1])
    assert report.verdict is Verdict.DROPPED
    assert report.notes[0].startswith("only the last part is left")
    first = verdict_of([1, 0, 0, 0])
    assert first.verdict is Verdict.DROPPED
    assert not any("only the last" in note for note in first.notes)


def test_nothing_left() -> None:
    report = verdict_of([0, 0, 0, 0])
    assert (report.verdict, report.claim) == (
        Verdict.DROPPED,
        "A is zero: every part was dropped.",
    )


def test_a_dropped_part_with_the_others_out_of_proportion_is_reweighted() -> None:
    assert verdict_of([0, 0.5, 0.3, 0.2]).verdict is Verdict.REWEIGHTED


def test_a_part_without_targets_can_t_be_dropped() -> None:
    counts = [10, 90, 30, 0]
    report = audit_accumulation(weighted(np.array(counts) / 130, PARTS), PARTS, counts=counts)
    assert report.verdict is Verdict.EXACT


def test_a_dropped_part_beside_parts_that_are_all_alike() -> None:
    report = report_of([1 / 4, 0, 1 / 4, 1 / 4])
    assert report.claim == (
        "A lacks parts[1]; the others keep their proportions, every part alike, times 1."
    )
    assert report_of([1.5, 0, 1.5, 1.5]).claim == (
        "A lacks parts[1]; the others keep their proportions, every part alike, times 6."
    )


U = 2.0**-11  # float16's and TensorFloat-32's


def test_nothing_left_has_a_factor_of_zero() -> None:
    assert verdict_of([0, 0, 0, 0]).factor == 0.0


def test_a_dropped_part_s_others_at_a_factor_of_one_have_none() -> None:
    A, counts = weighted(RIGHT * [1, 0, 1, 1], PARTS), 4.004 * RIGHT
    report = audit_accumulation(A, PARTS, counts=counts, arithmetic="tfloat32")
    assert report.claim == ("A lacks parts[1]; the others keep their proportions, not renormalized.")
    assert (report.factor, report.notes) == (1.0, ())


def test_a_part_without_targets_is_not_missing() -> None:
    counts = np.array([10, 90, 30, 0])
    report = audit_accumulation(weighted([0, 90 / 130, 30 / 130, 0], PARTS), PARTS, counts=counts)
    assert report.claim.startswith("A lacks parts[0]; the others keep")


def test_the_last_part_alone_comes_before_the_names_of_its_factor() -> None:
    report = verdict_of([0, 0, 0, 4 * RIGHT[3]])
    assert report.notes == (
        "only the last part is left: gradients zeroed before each backward pass?",
        "K = 4: summed over the parts, never divided; or parts already divided by K",
    )


@pytest.mark.parametrize(
    ("off", "end"), [(3 * U, "renormalized to one."), (20 * U, "times 3.029.")]
)
def test_what_is_left_adds_up_to_one_within_its_own_blur(off: float, end: str) -> None:
    """A third is left, so its factor is three and its sum's blur a third of the factor's."""
    rest = RIGHT * [1, 0, 1, 1]
    report = verdict_of(rest / rest.sum() * (1 + off), arithmetic="tfloat32")
    assert report.claim == f"A lacks parts[1]; the others keep their proportions, {end}"


def test_the_rest_weighed_alike_is_told() -> None:
    report = verdict_of([0.5, 0, 0.5, 0.5])
    assert report.claim == (
        "A lacks parts[1]; the others keep their proportions, every part alike, times 2."
    )
    assert report.factor == pytest.approx(2)
