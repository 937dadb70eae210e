"""The full gradient: how it stands to the parts, how A stands to it, and to the counts."""

from dataclasses import replace

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
from cases import evidence_of, known_case

from gradexplain import Verdict, audit_accumulation
from gradexplain.audit.judge import decide
from gradexplain.audit.judge.case import Full, note

K = len(PARTS)


OTHER = random_parts(1, seed=9)[0]
MEAN = weighted(RIGHT, PARTS)
BY_COUNTS = "By the counts only: A is the mean gradient."


def nudged(k: int, by: float) -> npt.NDArray[np.float64]:
    weights = RIGHT.copy()
    weights[k] += by
    return weights


def test_a_full_gradient_outside_the_span_is_no_mean() -> None:
    F = plus(weighted(RIGHT, PARTS), random_parts(1, seed=9)[0], 1e-3)
    report = report_of(RIGHT, full=F)
    assert (report.verdict, report.ok) == (Verdict.NOT_A_MEAN, False)
    assert report.notes == (BY_COUNTS,)
    without_counts = audit_accumulation(weighted(RIGHT, PARTS), PARTS, full=F)
    assert without_counts.verdict is Verdict.NOT_A_MEAN
    assert without_counts.expected == (None,) * K
    F = plus(weighted(RIGHT, PARTS), random_parts(1, seed=9)[0], 1e-9)
    assert report_of(RIGHT, full=F).verdict is Verdict.EXACT


def test_a_that_meets_the_full_gradient_is_exact_whatever_the_parts_are() -> None:
    F = random_parts(1, seed=9)[0]
    report = audit_accumulation(times(F, 1.0), PARTS, counts=COUNTS, full=F)
    assert report.verdict is Verdict.EXACT
    assert "was not accumulated from them" in report.notes[0]
    assert (report.claim, report.ok) == ("A is the full gradient.", True)


def test_a_full_gradient_with_other_weights_shows_that_the_counts_are_not_the_loss_s() -> None:
    F = weighted([0.4, 0.3, 0.2, 0.1], PARTS)
    report = report_of(RIGHT, full=F)
    assert (report.verdict, report.ok) == (Verdict.COUNTS_DIFFER, False)
    assert report.claim.endswith("differently from their counts: 0.4, 0.3, 0.2, 0.1.")
    assert report.notes == (BY_COUNTS,)
    report = report_of([0.4, 0.3, 0.2, 0.1], full=F)
    assert (report.verdict, report.ok) == (Verdict.COUNTS_DIFFER, None)
    assert report.notes == ("A is the full gradient: only the counts passed in are wrong.",)
    nearly = report_of(RIGHT, full=weighted(nudged(0, 1e-9), PARTS))
    assert nearly.verdict is Verdict.EXACT


def test_without_counts_the_full_gradient_s_weights_are_the_right_ones() -> None:
    F = weighted([0.4, 0.3, 0.2, 0.1], PARTS)
    report = audit_accumulation(weighted(ALIKE, PARTS), PARTS, full=F)
    assert report.verdict is Verdict.MEAN_OF_MEANS
    assert report.expected == pytest.approx([0.4, 0.3, 0.2, 0.1], rel=1e-7)
    assert [part.count for part in report.parts] == [None] * K
    assert report.intended == "full"
    assert "Judged by the weights of the full gradient." in str(report)


def test_too_few_numbers_are_no_proof_against_the_counts() -> None:
    parts = [{"w": part["w"].ravel()[:13]} for part in PARTS]
    F = weighted([0.4, 0.3, 0.2, 0.1], parts)
    report = audit_accumulation(weighted(RIGHT, parts), parts, counts=COUNTS, full=F)
    assert report.verdict is Verdict.AMBIGUOUS


def test_a_that_is_the_full_gradient_is_exact_within_the_tolerance() -> None:
    for off, verdict in [(1e-9, Verdict.EXACT), (1e-3, Verdict.NOT_A_MEAN)]:
        A = plus(OTHER, random_parts(1, seed=10)[0], off)
        report = audit_accumulation(A, PARTS, counts=COUNTS, full=OTHER)
        assert report.verdict is verdict
    report = audit_accumulation(times(OTHER, 1.0), PARTS, counts=COUNTS, full=OTHER)
    assert report.claim == "A is the full gradient."
    assert report.notes == (
        "F is not a weighted sum of the parts, so A was not accumulated from them.",
    )


def test_a_full_gradient_that_is_no_mean_says_so_and_how_a_stands_to_the_counts() -> None:
    says = "The full gradient is not a weighted sum of the parts, so no weights make A right."
    for A, notes in [
        (MEAN, (BY_COUNTS,)),
        (weighted(ALIKE, PARTS), ("By the counts only: A weighs every part alike.",)),
        (times(MEAN, 0.5), ("By the counts only: A is the mean gradient, times 0.5.",)),
    ]:
        report = audit_accumulation(A, PARTS, counts=COUNTS, full=OTHER)
        assert (report.claim, report.notes) == (says, notes)
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
    report = audit_accumulation(
        weighted(counts / counts.sum(), parts), parts, counts=counts, full=full
    )
    assert report.verdict is Verdict.COUNTS_DIFFER
    assert report.claim == (
        f"The full gradient weighs the parts differently from their counts: {listed}."
    )
    assert report.notes == (BY_COUNTS,)


def test_a_full_gradient_that_rounding_keeps_near_the_counts_does_not_speak_against_them() -> None:
    """A tenth of a small weight is below the rounding of the sum, but not of the weight."""
    numbers = np.random.default_rng(0).standard_normal((4, 20_000))
    parts: list[Gradient] = [{"w": g} for g in numbers.astype(np.float16)]
    counts = np.array([1, 49, 25, 25])
    off = weighted(counts / 100 + [0.0012, 0, 0, 0], parts)
    A = weighted(counts / 100, parts)
    assert audit_accumulation(A, parts, counts=counts, full=off).verdict is Verdict.EXACT


# How A stands to F


@pytest.mark.parametrize("factor", [0.5, 4.0, -1.0, 1.001])
def test_a_multiple_of_a_full_gradient_that_is_no_mean_is_rescaled(factor: float) -> None:
    report = audit_accumulation(times(OTHER, factor), PARTS, counts=COUNTS, full=OTHER)
    assert (report.verdict, report.ok) == (Verdict.RESCALED, False)
    assert report.factor == pytest.approx(factor)
    assert report.claim == f"A is {factor:g} times the full gradient.".replace("-", "−")
    assert report.notes[-1].startswith("By the counts only: A is not a weighted sum of the parts")
    named = any(note.startswith("K = 4: summed over the parts") for note in report.notes)
    assert named is (factor == 4.0)


def test_a_multiple_of_a_full_gradient_of_other_weights_says_so_too() -> None:
    F = weighted([0.4, 0.3, 0.2, 0.1], PARTS)
    report = audit_accumulation(times(F, 0.5), PARTS, counts=COUNTS, full=F)
    assert (report.verdict, report.ok) == (Verdict.COUNTS_DIFFER, False)
    assert report.notes[0] == "A is 0.5 times the full gradient."
    assert report.notes[1].startswith("By the counts only: A is a weighted sum of the parts, but")


def test_a_full_gradient_of_sums_asks_whether_the_parts_are_sums() -> None:
    sums = [times(part, n) for part, n in zip(PARTS, COUNTS, strict=True)]
    F = weighted([1 / 135] * K, sums)
    report = audit_accumulation(weighted([1 / 135] * K, sums), sums, counts=COUNTS, full=F)
    assert (report.verdict, report.ok) == (Verdict.PARTS_ARE_SUMS, None)
    assert report.claim == (
        "The full gradient weighs every part by 1/135, so the parts are gradients of sums, not of "
        'means. Pass reduction="sum".'
    )
    report = audit_accumulation(
        weighted([1 / 135] * K, sums), sums, counts=COUNTS, full=F, reduction="sum"
    )
    assert (report.verdict, report.ok) == (Verdict.EXACT, True)


def test_a_full_gradient_of_zero_weighs_the_parts_by_zero() -> None:
    report = audit_accumulation(MEAN, PARTS, counts=COUNTS, full=times(MEAN, 0.0))
    assert report.verdict is Verdict.COUNTS_DIFFER
    assert report.notes == (BY_COUNTS,)


# A full gradient in coarser arithmetic than was declared


def coarse(share: float) -> Gradient:
    """Return the mean gradient with so much of its length that no weights give."""
    size = float(np.linalg.norm(MEAN["w"]) / np.linalg.norm(OTHER["w"]))
    return {n: np.asarray(v, np.float32) for n, v in plus(MEAN, OTHER, share * size).items()}


SINGLE = random_parts(dtype=np.float32)
QUESTION = (
    "The full gradient is not a weighted sum of the parts in float32, but it may be one in {}. If "
    "one of these was used, pass arithmetic={}."
)


@pytest.mark.parametrize(
    ("share", "types"),
    [
        (5e-4, ["tfloat32", "float16", "bfloat16"]),
        (1e-2, ["bfloat16"]),
    ],
)
def test_a_full_gradient_in_coarser_arithmetic_asks_which(share: float, types: list[str]) -> None:
    A = weighted(ALIKE, SINGLE)
    report = audit_accumulation(A, SINGLE, counts=COUNTS, full=coarse(share))
    assert report.verdict is Verdict.MEAN_OF_MEANS  # as F is the expected mean, but for rounding
    off = {n: v + np.float32(0.1) * SINGLE[0][n] for n, v in coarse(share).items()}
    report = audit_accumulation(A, SINGLE, counts=COUNTS, full=off)
    assert (report.verdict, report.ok) == (Verdict.AMBIGUOUS, None)
    *first, last = types
    listed = f"{', '.join(first)} or {last}" if first else last
    quoted = " or ".join(f'"{name}"' for name in types)
    assert report.claim.startswith(QUESTION.format(listed, quoted))
    assert report.notes == ("By the counts only: A weighs every part alike.",)
    assert report.to_do == "Say which arithmetic was used, with the option named above."


def test_a_full_gradient_that_no_arithmetic_leaves_is_no_mean() -> None:
    A = weighted(ALIKE, SINGLE)
    report = audit_accumulation(A, SINGLE, counts=COUNTS, full=coarse(0.5))
    assert report.verdict is Verdict.NOT_A_MEAN
    report = audit_accumulation(A, SINGLE, counts=COUNTS, full=coarse(5e-4), arithmetic="float32")
    assert report.verdict is Verdict.NOT_A_MEAN  # a declared arithmetic leaves no question


def test_weights_of_the_full_gradient_are_zero_only_within_their_own_rounding() -> None:
    expected = np.array([0.5, 0.5, 0])
    read = known_case(np.array([0.7, 1e-9, 1e-14]), expected).weights
    full = Full(read, outside=0.0, outer=1.0, plausible=(), meets=False, multiple=None)
    case = known_case(expected, expected, counts=np.array([1.0, 1, 0]))
    found = decide(replace(case, evidence=evidence_of(np.zeros(3, bool), full=full)))
    assert found.claim == note("counts differ", weights=(0.7, 1e-9, 0.0))


def test_a_full_gradient_that_is_another_mean_than_you_expect_proves_nothing_wrong() -> None:
    full = weighted(RIGHT, PARTS)
    for weights, ok in [(ALIKE, None), (RIGHT, False), (0.5 * ALIKE, False)]:
        report = report_of(weights, full=full, expect="part")
        assert (report.verdict, report.ok) == (Verdict.COUNTS_DIFFER, ok)
        assert report.claim.startswith("The full gradient is another mean than the one you expect")
