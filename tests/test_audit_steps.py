"""What each step of the decision says, to the letter, and where its limits lie."""

import numpy as np
import numpy.typing as npt
import pytest
from audits import Gradient, plus, random_parts, times, weighted

from gradexplain import Report, Verdict, audit_accumulation

COUNTS = [10.0, 90.0, 30.0, 5.0]
RIGHT = np.array(COUNTS) / sum(COUNTS)
PARTS = random_parts()
UNEQUAL = "Audit a batch of parts with unequal counts and different contents."
U = 2.0**-11  # float16's and TensorFloat-32's


def verdict_of(weights: npt.ArrayLike, **options: object) -> Report:
    return audit_accumulation(weighted(np.asarray(weights), PARTS), PARTS, COUNTS, **options)  # type: ignore[arg-type]


# Nothing to tell by


def test_parts_of_zeros_ask_for_another_step() -> None:
    nothing = [times(part, 0.0) for part in PARTS]
    report = audit_accumulation(weighted(RIGHT, nothing), nothing, COUNTS)
    assert report.to_do == "Audit a step whose gradients are not zero."


def test_a_first_part_that_moves_is_told_by_how_much() -> None:
    parts = [times(PARTS[0], 3.0), *PARTS[1:]]
    again = times(parts[0], 1.25)
    report = audit_accumulation(weighted(RIGHT, parts), parts, COUNTS, again=again)
    assert report.verdict is Verdict.NOT_REPRODUCIBLE
    assert report.says == (
        "The first part, computed again, differs by 0.25 of its length: randomness in it hides "
        "what the weights are."
    )
    parts[0] = times(PARTS[0], 0.0)
    report = audit_accumulation(weighted(RIGHT, parts), parts, COUNTS, again=again)
    assert report.says.startswith("The first part, computed again, differs by all of its length:")


@pytest.mark.parametrize(("moved", "hidden"), [(0.99 / 16, False), (1.01 / 16, True)])
def test_a_first_part_may_move_by_its_rounding(moved: float, *, hidden: bool) -> None:
    """4u√16 of its length in bfloat16."""
    parts, counts = random_parts(16), np.arange(1.0, 17.0)
    again = times(parts[0], 1 + moved)
    A = weighted(counts / counts.sum(), parts)
    report = audit_accumulation(A, parts, counts, again=again, arithmetic="bfloat16")
    assert (report.verdict is Verdict.NOT_REPRODUCIBLE) is hidden


def test_a_crowd_of_parts_is_told_and_what_it_still_shows() -> None:
    parts = [{"w": part["w"].ravel()[:13]} for part in PARTS]
    report = audit_accumulation(weighted(RIGHT, parts), parts, COUNTS)
    assert report.says == (
        "The parts span 4 directions of 13 numbers that are not zero: with fewer than 10 to spare, "
        "almost any gradient is some weighted sum of them."
    )
    assert report.to_do == "Audit with fewer parts than parameters, or with more parameters."
    assert report.notes == ("A agrees with the right weights, as far as this can show",)
    wrong = audit_accumulation(weighted(np.ones(4) / 4, parts), parts, COUNTS)
    assert (wrong.says, wrong.to_do, wrong.notes) == (report.says, report.to_do, ())


def test_a_crowd_of_parts_agrees_as_a_whole_though_a_small_weight_is_off_by_itself() -> None:
    signs = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 8**0.5
    parts: list[Gradient] = [{"w": np.concatenate([row, row])} for row in signs]
    counts = np.array([97.0, 1, 1, 1])
    for off, notes in [(4.5 * U, 1), (6.5 * U, 0)]:
        A = weighted(counts / 100 + [0, off, 0, 0], parts)
        report = audit_accumulation(A, parts, counts, arithmetic="tfloat32")
        assert report.says.startswith("The parts span 4 directions of 8 numbers")
        assert len(report.notes) == notes


# Exact


def test_one_part_says_that_it_shows_nothing() -> None:
    report = audit_accumulation(weighted([1], PARTS[:1]), PARTS[:1], [5])
    assert (report.says, report.to_do) == (
        "A is the mean gradient; on this batch it is also any mean at all, for there is one part.",
        UNEQUAL,
    )


def test_a_mean_of_zero_says_that_any_factor_would_do() -> None:
    parts = [PARTS[0], times(PARTS[0], -1 / 9)]
    report = audit_accumulation(weighted([0.1, 0.9], parts), parts, [10, 90])
    assert report.says == (
        "A is the mean gradient; on this batch it is also one without parts[0] and parts[1]; "
        "one times any factor, for the mean is zero."
    )


def test_four_of_many_explanations_are_enough() -> None:
    alike = [weighted([1], PARTS[:1]) for _ in range(6)]
    report = audit_accumulation(weighted([1], PARTS[:1]), alike, [10, 90, 30, 5, 7, 8])
    assert report.says == (
        "A is the mean gradient; on this batch it is also one that weighs every part alike; "
        "one without parts[0]; one without parts[1]; one without parts[2]."
    )


def test_equal_counts_are_told_to_show_no_more() -> None:
    report = audit_accumulation(weighted(np.ones(4) / 4, PARTS), PARTS, [7, 7, 7, 7])
    assert report.notes == (
        "the counts are equal, so a mean of means would look the same: feed unequal ones",
    )


# Up to a factor


def test_candidates_that_would_each_fit_are_listed_with_their_factors() -> None:
    parts = [PARTS[0], times(PARTS[0], 2.0)]
    report = audit_accumulation(times(PARTS[0], 5.0), parts, [10, 90])
    assert report.says == (
        "A is the mean gradient, times 2.632; or weighs every part alike, times 3.333: "
        "each would fit."
    )


def test_parts_that_may_be_missing_are_listed_four_of_them() -> None:
    """Five parts of zeros with equal counts: whichever is left out, the rest is renormalised."""
    parts = [*PARTS[:3], *(times(PARTS[3], 0.0) for _ in range(5))]
    counts = np.array([10, 90, 30, 4, 4, 4, 4, 4])
    A = weighted(counts / (counts.sum() - 4), parts)
    report = audit_accumulation(A, parts, counts)
    assert report.says == (
        "A is the mean gradient, times 1.027; or it is one without parts[3]; one without parts[4]; "
        "one without parts[5]; one without parts[6]: each would fit."
    )


def test_a_factor_of_one_is_neither_said_nor_explained() -> None:
    """Not even by a mean count of 1.001, which coarse arithmetic cannot tell from one."""
    A, counts = weighted(np.ones(4) / 4, PARTS), 4.004 * RIGHT
    report = audit_accumulation(A, PARTS, counts, arithmetic="tfloat32")
    assert (report.verdict, report.says) == (Verdict.MEAN_OF_MEANS, "A weighs every part alike.")
    assert (report.factor, report.notes) == (1.0, ())


def test_a_part_without_targets_need_not_be_told() -> None:
    parts, counts = [*PARTS[:3], times(PARTS[3], 0.0)], np.array([10, 90, 30, 0])
    report = audit_accumulation(weighted(4 * counts / 130, parts), parts, counts)
    assert report.verdict is Verdict.RESCALED
    assert report.factor == pytest.approx(4)
    assert [note[:5] for note in report.notes] == ["K = 4"]


# Dropped


def test_nothing_left_has_a_factor_of_zero() -> None:
    assert verdict_of([0, 0, 0, 0]).factor == 0.0


def test_a_dropped_part_s_others_at_a_factor_of_one_have_none() -> None:
    A, counts = weighted(RIGHT * [1, 0, 1, 1], PARTS), 4.004 * RIGHT
    report = audit_accumulation(A, PARTS, counts, arithmetic="tfloat32")
    assert report.says == ("A lacks parts[1]; the others keep their proportions, not renormalised.")
    assert (report.factor, report.notes) == (1.0, ())


def test_a_part_without_targets_is_not_missing() -> None:
    counts = np.array([10, 90, 30, 0])
    report = audit_accumulation(weighted([0, 90 / 130, 30 / 130, 0], PARTS), PARTS, counts)
    assert report.says.startswith("A lacks parts[0]; the others keep")


def test_the_last_part_alone_comes_before_the_names_of_its_factor() -> None:
    report = verdict_of([0, 0, 0, 4 * RIGHT[3]])
    assert report.notes == (
        "only the last part is left: gradients zeroed before each backward pass?",
        "K = 4: summed over the parts, never divided; or parts already divided by K",
    )


@pytest.mark.parametrize(
    ("off", "end"), [(3 * U, "renormalised to one."), (20 * U, "times 3.029.")]
)
def test_what_is_left_adds_up_to_one_within_its_own_blur(off: float, end: str) -> None:
    """A third is left, so its factor is three and its sum's blur a third of the factor's."""
    rest = RIGHT * [1, 0, 1, 1]
    report = verdict_of(rest / rest.sum() * (1 + off), arithmetic="tfloat32")
    assert report.says == f"A lacks parts[1]; the others keep their proportions, {end}"


def test_the_rest_weighed_alike_is_told() -> None:
    report = verdict_of([0.5, 0, 0.5, 0.5])
    assert report.says == (
        "A lacks parts[1]; the others keep their proportions, every part alike, times 2."
    )
    assert report.factor == pytest.approx(2)


# In no proportion


def test_a_sum_off_the_right_one_has_no_name() -> None:
    report = verdict_of([0.4, 0.3, 0.2, 0.1])
    assert report.says == "A is a weighted sum of the parts, but not by the right weights."


def test_blurred_weights_are_named() -> None:
    twin = plus(PARTS[0], random_parts(1, seed=9)[0], 1e-7)
    parts = [PARTS[0], twin, PARTS[1]]
    report = audit_accumulation(weighted([0.3, 0.3, 0.4], parts), parts, [10, 90, 30])
    assert report.says == (
        "The weights of parts[0] and parts[1] cannot be told: nearly parallel, too short, or too "
        "many."
    )


# What a factor says


def test_a_turned_sign_is_told_beside_a_part_that_cannot_be_read() -> None:
    parts = [*PARTS[:3], times(PARTS[3], 1e-8)]
    report = audit_accumulation(weighted(-RIGHT, parts), parts, COUNTS)
    assert report.verdict is Verdict.RESCALED
    assert report.factor == pytest.approx(-1.0)
    assert report.notes[0] == "negative: a sign was turned"


def test_a_factor_near_one_is_not_called_one() -> None:
    report = verdict_of(1.0001 * RIGHT)
    assert report.says == "A is the mean gradient, times 1.0001."


def test_beside_a_gradient_of_zero_the_tolerance_is_in_units_of_the_mean_gradient() -> None:
    report = audit_accumulation(times(PARTS[0], 0.0), PARTS, COUNTS)
    assert report.tolerance < 1e-5
