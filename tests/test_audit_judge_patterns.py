"""What explains weights that are neither the expected ones nor alike."""

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


@pytest.mark.parametrize(
    ("weights", "note"),
    [
        (RIGHT[[1, 0, 2, 3]], "the right weights in another order"),
        (RIGHT * [1, 2, 1, 1], "parts[1] counted twice"),
        (RIGHT * [1, 2, 1, 2], "parts[1] and parts[3] counted twice"),
        (RIGHT**2, "in proportion to the squares of the counts"),
        (1 / RIGHT, "in proportion to one over the counts"),
        ((np.array(COUNTS) + 1) / 139, "in proportion to counts of one target more"),
        ((np.array(COUNTS) - 1) / 131, "in proportion to counts of one target less"),
        ([0.1, 0.9, 0.4, -0.4], "negative weights: parts[3]"),
        (RIGHT * [1, 0.4, 1, 1], "no part weighs more than it should"),
    ],
)
def test_known_patterns_are_named(weights: npt.NDArray[np.float64], note: str) -> None:
    report = verdict_of(weights)
    assert report.verdict is Verdict.REWEIGHTED
    assert any(found.startswith(note) for found in report.notes), report.notes
    nearly = verdict_of(np.asarray(weights) * [1.1, 1.07, 1.05, 0.93])
    assert not any(found.startswith(note) for found in nearly.notes if "negative" not in note)


def report_of(weights: npt.ArrayLike, counts: Sequence[float] = COUNTS, **known: object) -> Report:
    parts = PARTS[: len(counts)]
    return audit_accumulation(weighted(np.asarray(weights), parts), parts, counts=counts, **known)  # type: ignore[arg-type]


#: Parts without a common place: their weights are read without any rounding.
APART: list[Gradient] = [{"w": np.repeat(np.eye(4)[k], 4)} for k in range(4)]


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
    report = audit_accumulation(weighted([0.25, 0.125, 0.25, 0], APART), APART, counts=[7, 7, 7, 7])
    assert report.weights == (0.25, 0.125, 0.25, 0)
    assert (report.verdict, report.notes) == (Verdict.REWEIGHTED, ())


def test_a_part_counted_twice_is_named_where_nothing_is_rounded() -> None:
    report = audit_accumulation(weighted([0.5, 0.25, 0.25, 0.25], APART), APART, counts=[7, 7, 7, 7])
    assert report.notes == ("parts[0] counted twice",)


def test_negative_weights_are_named_with_their_parts() -> None:
    report = report_of([0.1, 1.2, 0.2, -0.5])
    assert report.notes == ("negative weights: parts[3]",)
    # F may turn the sign of all of them: then none is right, and none is clipped.
    full = weighted(-RIGHT, PARTS)
    turned = audit_accumulation(weighted(-RIGHT * [2, 1.5, 3, 4], PARTS), PARTS, full=full)
    assert turned.verdict is Verdict.REWEIGHTED
    assert turned.notes == ("negative weights: parts[0], parts[1], parts[2] and parts[3]",)


def test_a_sum_off_the_right_one_has_no_name() -> None:
    report = verdict_of([0.4, 0.3, 0.2, 0.1])
    assert report.claim == "A is a weighted sum of the parts, but not by the right weights."
