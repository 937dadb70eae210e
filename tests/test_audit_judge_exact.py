"""Exact, and what keeps it from being said."""

import numpy as np
import numpy.typing as npt
import pytest
from audits import (
    ALIKE,
    COUNTS,
    PARTS,
    RIGHT,
    Gradient,
    plus,
    random_parts,
    report_of,
    times,
    weighted,
)

from gradexplain import Verdict, audit_accumulation
from gradexplain.audit.judge import Case, Parts, Weights, decide

K = len(PARTS)
LOOKS_THE_SAME = "A is the mean gradient, but on this batch a mistake would look the same."
UNEQUAL = "Audit a batch of parts with unequal counts and different contents."
U = 2.0**-11  # float16's and TensorFloat-32's


def nudged(k: int, by: float) -> npt.NDArray[np.float64]:
    weights = RIGHT.copy()
    weights[k] += by
    return weights


def test_the_right_weights_are_exact_by_counts_and_by_the_full_gradient() -> None:
    A = weighted(RIGHT, PARTS)
    for report in (
        audit_accumulation(A, PARTS, counts=COUNTS),
        audit_accumulation(A, PARTS, full=weighted(RIGHT, PARTS)),
        audit_accumulation(A, PARTS, counts=COUNTS, full=weighted(RIGHT, PARTS)),
    ):
        assert (report.verdict, report.ok, report.notes) == (Verdict.EXACT, True, ())
        assert report.weights == pytest.approx(RIGHT, rel=1e-7)
        assert report.relative_error is not None
        assert report.relative_error < 1e-12


@pytest.mark.parametrize("k", range(K))
def test_one_weight_off_by_a_millionth_is_not_exact(k: int) -> None:
    assert report_of(nudged(k, 1e-6)).verdict is Verdict.REWEIGHTED
    assert report_of(nudged(k, 1e-12)).verdict is Verdict.EXACT


def test_equal_counts_are_exact_with_a_note_that_they_could_not_have_shown_more() -> None:
    report = audit_accumulation(weighted(ALIKE, PARTS), PARTS, counts=[7, 7, 7, 7])
    assert report.verdict is Verdict.EXACT
    assert "counts are equal" in report.notes[0]
    nearly = audit_accumulation(weighted(ALIKE, PARTS), PARTS, counts=[7, 7, 7, 7.001])
    assert nearly.verdict is Verdict.MEAN_OF_MEANS


def test_equal_counts_seen_through_the_full_gradient_alone() -> None:
    report = audit_accumulation(weighted(ALIKE, PARTS), PARTS, full=weighted(ALIKE, PARTS))
    assert report.verdict is Verdict.EXACT
    assert "counts are equal" in report.notes[0]


def test_one_part_shows_no_averaging_but_does_show_a_factor() -> None:
    one = PARTS[:1]
    assert audit_accumulation(weighted([1], one), one, counts=[5]).verdict is Verdict.AMBIGUOUS
    assert audit_accumulation(weighted([0.5], one), one, counts=[5]).verdict is Verdict.RESCALED


def test_identical_parts_could_hide_any_weights() -> None:
    parts = [PARTS[0], weighted([1], PARTS[:1]), weighted([1], PARTS[:1])]
    report = audit_accumulation(weighted([1], PARTS[:1]), parts, counts=[10, 90, 30])
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.claim == LOOKS_THE_SAME
    assert "It weighs every part alike." in report.notes
    assert "It could lack parts[0]." in report.notes
    assert "unequal counts" in report.to_do


def test_parallel_parts_of_other_lengths_are_exact_for_no_fault_would_look_the_same() -> None:
    parts = [PARTS[0], times(PARTS[0], 3.0), PARTS[1]]
    counts = np.array([10, 90, 30])
    A = weighted(counts / 130, parts)
    assert audit_accumulation(A, parts, counts=counts).verdict is Verdict.EXACT
    A = weighted([1 / 3] * 3, parts)
    assert audit_accumulation(A, parts, counts=counts).verdict is Verdict.MEAN_OF_MEANS


def test_a_part_of_zeros_could_have_been_dropped() -> None:
    parts = [*PARTS[:3], times(PARTS[3], 0.0)]
    report = audit_accumulation(weighted(RIGHT, parts), parts, counts=COUNTS)
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.notes == ("It could lack parts[3].",)
    assert report.weights[3] is None
    parts = [*PARTS[:3], times(PARTS[3], 1e-3)]
    assert audit_accumulation(weighted(RIGHT, parts), parts, counts=COUNTS).verdict is Verdict.EXACT


def test_a_part_of_zeros_without_targets_takes_no_part() -> None:
    parts, counts = [*PARTS[:3], times(PARTS[3], 0.0)], np.array([10, 90, 30, 0])
    report = audit_accumulation(weighted(counts / 130, parts), parts, counts=counts)
    assert report.verdict is Verdict.EXACT
    wrong = audit_accumulation(weighted(ALIKE, parts), parts, counts=counts)
    assert wrong.verdict is Verdict.MEAN_OF_MEANS


def test_a_mean_of_zero_could_have_any_factor() -> None:
    parts = [PARTS[0], times(PARTS[0], -1 / 9)]
    report = audit_accumulation(weighted([0.1, 0.9], parts), parts, counts=[10, 90])
    assert report.verdict is Verdict.AMBIGUOUS
    assert "The mean is zero, so it is the mean times any factor." in report.notes
    longer = [PARTS[0], times(PARTS[0], -1.001 / 9)]
    report = audit_accumulation(weighted([0.1, 0.9], longer), longer, counts=[10, 90])
    assert (
        report.verdict is Verdict.EXACT
    )  # each weight is hidden, but no fault would look the same
    assert report.weights == (None, None)


def test_a_mean_of_zero_but_for_rounding_could_have_any_factor() -> None:
    parts = [{n: v.astype(np.float16) for n, v in PARTS[0].items()}]
    parts.append({name: np.float16(-1 / 9) * value for name, value in parts[0].items()})
    A = weighted([0.1, 0.9], parts)
    assert A["w"].any()
    report = audit_accumulation(A, parts, counts=[10, 90])
    assert report.verdict is Verdict.AMBIGUOUS
    assert "The mean is zero, so it is the mean times any factor." in report.notes


def test_parts_of_zeros_alone_say_nothing() -> None:
    nothing = [times(part, 0.0) for part in PARTS]
    report = audit_accumulation(weighted(RIGHT, nothing), nothing, counts=COUNTS)
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.claim == "Every part is zero, so no weight can be read."
    from_nowhere = audit_accumulation(PARTS[0], nothing, counts=COUNTS)
    assert from_nowhere.verdict is Verdict.UNEXPLAINED


@pytest.mark.parametrize(("P", "verdict"), [(13, Verdict.AMBIGUOUS), (14, Verdict.EXACT)])
def test_fewer_than_ten_numbers_to_spare_are_too_few(P: int, verdict: Verdict) -> None:
    parts = [{"w": part["w"].ravel()[:P]} for part in PARTS]
    report = audit_accumulation(weighted(RIGHT, parts), parts, counts=COUNTS)
    assert report.verdict is verdict
    padded = [{"w": np.concatenate([part["w"], np.zeros(1000)])} for part in parts]
    report = audit_accumulation(weighted(RIGHT, padded), padded, counts=COUNTS)
    assert report.verdict is verdict  # zeros are no evidence


def test_a_first_part_that_can_t_be_repeated_hides_the_weights() -> None:
    moved = plus(PARTS[0], random_parts(1, seed=9)[0], 1e-4)
    report = report_of(RIGHT, again=moved)
    assert (report.verdict, report.ok) == (Verdict.NOT_REPRODUCIBLE, None)
    moved = plus(PARTS[0], random_parts(1, seed=9)[0], 1e-9)
    assert report_of(RIGHT, again=moved).verdict is Verdict.EXACT


def test_groups_that_weigh_what_they_should_are_exact() -> None:
    assert report_of(RIGHT, groups=["a", "a", "a", "b"]).verdict is Verdict.EXACT


def test_a_part_without_targets_keeps_no_weighting_apart_from_the_right_one() -> None:
    """Groups of equal counts, each in proportion, weigh what they should; the empty part too."""
    A = weighted([0.5, 0.5, 0], PARTS[:3])
    report = audit_accumulation(A, PARTS[:3], counts=[5, 5, 0], groups=list("aba"))
    assert report.verdict is Verdict.EXACT


def long_halves() -> list[Gradient]:
    rng = np.random.default_rng(0)
    return [{"w": g} for g in rng.standard_normal((4, 20_000)).astype(np.float16)]


def test_weights_that_are_near_but_not_right_are_ambiguous_in_half_precision() -> None:
    """A tenth of a small weight is below the rounding of the sum, but not of the weight."""
    parts, counts = long_halves(), np.array([1, 49, 25, 25])
    assert (
        audit_accumulation(weighted(counts / 100, parts), parts, counts=counts).verdict
        is Verdict.EXACT
    )
    off = counts / 100 + [0.0012, 0, 0, 0]
    report = audit_accumulation(weighted(off, parts), parts, counts=counts)
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.claim == "A is near the mean gradient, but rounding hides which weights it has."


def test_half_precision_forgives_a_thousandth_of_a_weight_and_no_hundredth() -> None:
    parts, counts = long_halves(), np.array([10, 40, 25, 25])
    for off, verdict in [(1.001, Verdict.EXACT), (1.01, Verdict.REWEIGHTED)]:
        weights = counts / 100 * [1, off, 1, 1]
        assert audit_accumulation(weighted(weights, parts), parts, counts=counts).verdict is verdict


def test_half_precision_hides_what_single_shows() -> None:
    counts = [1000, 1001, 999, 1000]
    for dtype, verdict in [(np.float16, Verdict.AMBIGUOUS), (np.float32, Verdict.MEAN_OF_MEANS)]:
        parts = random_parts(dtype=dtype, common=3)
        report = audit_accumulation(weighted(ALIKE, parts), parts, counts=counts)
        assert report.verdict is verdict, dtype


def test_parts_of_zeros_ask_for_another_step() -> None:
    nothing = [times(part, 0.0) for part in PARTS]
    report = audit_accumulation(weighted(RIGHT, nothing), nothing, counts=COUNTS)
    assert report.to_do == "Audit a step whose gradients are not zero."


def test_a_first_part_that_moves_is_reported_by_how_much() -> None:
    parts = [times(PARTS[0], 3.0), *PARTS[1:]]
    again = times(parts[0], 1.25)
    report = audit_accumulation(weighted(RIGHT, parts), parts, counts=COUNTS, again=again)
    assert report.verdict is Verdict.NOT_REPRODUCIBLE
    assert report.claim == (
        "The first part, computed again, differs by 25% of its length. Randomness in it hides what "
        "the weights are."
    )
    parts[0] = times(PARTS[0], 0.0)
    report = audit_accumulation(weighted(RIGHT, parts), parts, counts=COUNTS, again=again)
    assert report.claim.startswith("The first part, computed again, differs by all of its length.")


@pytest.mark.parametrize(("moved", "hidden"), [(0.99 / 16, False), (1.01 / 16, True)])
def test_a_first_part_may_move_by_its_rounding(moved: float, *, hidden: bool) -> None:
    """4u√16 of its length in bfloat16."""
    parts, counts = random_parts(16), np.arange(1.0, 17.0)
    again = times(parts[0], 1 + moved)
    A = weighted(counts / counts.sum(), parts)
    report = audit_accumulation(A, parts, counts=counts, again=again, arithmetic="bfloat16")
    assert (report.verdict is Verdict.NOT_REPRODUCIBLE) is hidden


def test_a_crowd_of_parts_is_reported_with_what_it_still_shows() -> None:
    parts = [{"w": part["w"].ravel()[:13]} for part in PARTS]
    report = audit_accumulation(weighted(RIGHT, parts), parts, counts=COUNTS)
    assert report.claim == (
        "The parts span 4 directions, and hold 13 numbers that are not zero. With fewer than 10 "
        "numbers to spare, almost any gradient is a weighted sum of the parts."
    )
    assert report.to_do == "Audit with fewer parts than parameters, or with more parameters."
    assert report.notes == (
        "A is consistent with the expected weights, as far as these data can show.",
    )
    wrong = audit_accumulation(weighted(np.ones(4) / 4, parts), parts, counts=COUNTS)
    assert (wrong.claim, wrong.to_do, wrong.notes) == (report.claim, report.to_do, ())


def test_a_crowd_of_parts_agrees_as_a_whole_though_a_small_weight_is_off_by_itself() -> None:
    signs = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 8**0.5
    parts: list[Gradient] = [{"w": np.concatenate([row, row])} for row in signs]
    counts = np.array([97.0, 1, 1, 1])
    for off, notes in [(4.5 * U, 1), (6.5 * U, 0)]:
        A = weighted(counts / 100 + [0, off, 0, 0], parts)
        report = audit_accumulation(A, parts, counts=counts, arithmetic="tfloat32")
        assert report.claim.startswith("The parts span 4 directions, and hold 8 numbers")
        assert len(report.notes) == notes


def test_one_part_says_that_it_shows_nothing() -> None:
    report = audit_accumulation(weighted([1], PARTS[:1]), PARTS[:1], counts=[5])
    assert (report.claim, report.to_do) == (LOOKS_THE_SAME, UNEQUAL)
    assert report.notes == ("With only one part, all means are the same.",)


def test_a_mean_of_zero_says_that_any_factor_would_do() -> None:
    parts = [PARTS[0], times(PARTS[0], -1 / 9)]
    report = audit_accumulation(weighted([0.1, 0.9], parts), parts, counts=[10, 90])
    assert report.claim == LOOKS_THE_SAME
    assert report.notes == (
        "It could lack parts[0] and parts[1].",
        "The mean is zero, so it is the mean times any factor.",
    )


def test_equal_counts_show_no_more() -> None:
    report = audit_accumulation(weighted(np.ones(4) / 4, PARTS), PARTS, counts=[7, 7, 7, 7])
    assert report.notes == (
        "The counts are equal, so a mean of means would look the same: use unequal ones.",
    )


def test_only_numbers_that_are_not_zero_are_counted() -> None:
    parts = [{"w": np.append(part["w"].ravel()[:12], np.zeros(5))} for part in PARTS]
    report = audit_accumulation(weighted(RIGHT, parts), parts, counts=COUNTS)
    assert report.claim.startswith(
        "The parts span 4 directions, and hold 12 numbers that are not zero."
    )


@pytest.mark.parametrize(
    ("absolute", "ok"),
    [
        ([0.08, 0.1, 0, 0], True),  # one half is lost
        ([0.08, 0.1, 0.06, 0], None),
        ([0.08, 0.1, np.inf, 0], True),  # along the others, where no mistake could hide
    ],
)
def test_nothing_is_right_with_more_than_half_of_the_weights_lost_in_rounding(
    absolute: list[float], *, ok: bool | None
) -> None:
    expected = np.array([0.25, 0.25, 0.125, 0.375])
    read = Weights(expected, np.array(absolute), 1e-6, np.diag([1.0, 1, 100, 1]))
    found = decide(Case(read, Parts(expected, 1e-9 * expected)))
    assert found.ok is ok
    unread = [one.facts["parts"] for one in found.notes if one.kind == "but unread"]
    assert unread == [tuple(np.flatnonzero(absolute).tolist())]
