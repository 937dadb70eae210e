"""The full gradient: how it stands to the parts, how A stands to it, and to the counts."""

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


OTHER = random_parts(1, seed=9)[0]
MEAN = weighted(RIGHT, PARTS)


def nudged(k: int, by: float) -> npt.NDArray[np.float64]:
    weights = RIGHT.copy()
    weights[k] += by
    return weights


def test_a_full_gradient_outside_the_span_is_no_mean() -> None:
    F = plus(weighted(RIGHT, PARTS), random_parts(1, seed=9)[0], 1e-3)
    report = verdict_of(RIGHT, full=F)
    assert (report.verdict, report.code) == (Verdict.NOT_A_MEAN, 1)
    assert report.notes == ("A is the mean of the parts by their counts",)
    without_counts = audit_accumulation(weighted(RIGHT, PARTS), PARTS, full=F)
    assert without_counts.verdict is Verdict.NOT_A_MEAN
    assert without_counts.expected == (None,) * K
    F = plus(weighted(RIGHT, PARTS), random_parts(1, seed=9)[0], 1e-9)
    assert verdict_of(RIGHT, full=F).verdict is Verdict.EXACT


def test_a_that_meets_the_full_gradient_is_exact_whatever_the_parts_are() -> None:
    F = random_parts(1, seed=9)[0]
    report = audit_accumulation(times(F, 1.0), PARTS, counts=COUNTS, full=F)
    assert report.verdict is Verdict.EXACT
    assert "could not have made A" in report.notes[0]
    assert audit_accumulation(times(F, 1.001), PARTS, full=F).verdict is Verdict.NOT_A_MEAN


def test_a_full_gradient_with_other_weights_shows_that_the_counts_are_not_the_loss_s() -> None:
    F = weighted([0.4, 0.3, 0.2, 0.1], PARTS)
    report = verdict_of(RIGHT, full=F)
    assert (report.verdict, report.code) == (Verdict.COUNTS_DIFFER, 1)
    assert report.notes[0] == "F's weights: 0.4, 0.3, 0.2, 0.1"
    report = verdict_of([0.4, 0.3, 0.2, 0.1], full=F)
    assert (report.verdict, report.code) == (Verdict.COUNTS_DIFFER, 2)
    assert report.notes[-1] == "A is the full gradient: only the counts handed in are wrong"
    nearly = verdict_of(RIGHT, full=weighted(nudged(0, 1e-9), PARTS))
    assert nearly.verdict is Verdict.EXACT


def test_without_counts_the_full_gradient_s_weights_are_the_right_ones() -> None:
    F = weighted([0.4, 0.3, 0.2, 0.1], PARTS)
    report = audit_accumulation(weighted(ALIKE, PARTS), PARTS, full=F)
    assert report.verdict is Verdict.MEAN_OF_MEANS
    assert report.expected == pytest.approx([0.4, 0.3, 0.2, 0.1], rel=1e-7)
    assert report.counts is None


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
    assert report.notes == ("F is no weighted sum of the parts, so they could not have made A",)


def test_a_full_gradient_that_is_no_mean_says_so_and_how_a_stands_to_the_counts() -> None:
    says = "The full gradient is no weighted sum of the parts: no weights would make it right."
    for A, notes in [
        (MEAN, ("A is the mean of the parts by their counts",)),
        (weighted([0.25] * 4, PARTS), ("A is not the mean of the parts by their counts either",)),
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
    report = audit_accumulation(weighted(counts / counts.sum(), parts), parts, counts=counts, full=full)
    assert report.verdict is Verdict.COUNTS_DIFFER
    assert report.claim == ("The full gradient weighs the parts by other weights than their counts.")
    assert report.notes == (f"F's weights: {listed}", "A is the mean of the parts by their counts")


def test_a_full_gradient_that_rounding_keeps_near_the_counts_does_not_speak_against_them() -> None:
    """A tenth of a small weight is below the rounding of the sum, but not of the weight."""
    numbers = np.random.default_rng(0).standard_normal((4, 20_000))
    parts: list[Gradient] = [{"w": g} for g in numbers.astype(np.float16)]
    counts = np.array([1, 49, 25, 25])
    off = weighted(counts / 100 + [0.0012, 0, 0, 0], parts)
    A = weighted(counts / 100, parts)
    assert audit_accumulation(A, parts, counts=counts, full=off).verdict is Verdict.EXACT
