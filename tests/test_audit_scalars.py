"""The audit of reported losses: each known mean is named, and no right one is called wrong."""

import re
from typing import Any

import numpy as np
import pytest

from gradexplain import Report, audit_mean

VALUES, COUNTS = [2.31, 4.12, 3.05], [900, 20, 300]
MEAN, MEANS = float(np.average(VALUES, weights=COUNTS)), float(np.mean(VALUES))


@pytest.mark.parametrize(
    ("reported", "summary"),
    [
        (MEAN, "exact: The reported value is the mean over all targets."),
        (round(MEAN, 3), "exact: The reported value is the mean over all targets."),
        (
            round(MEANS, 2),
            "mean of means: The reported value is the mean of the parts' means.",
        ),
        (
            sum(VALUES),
            ("mean of means: The reported value is the mean of the parts' means, times 3."),
        ),
        (
            float(np.dot(VALUES, COUNTS)),
            "rescaled: The reported value is the mean over all targets, times 1220.",
        ),
        (
            MEAN / 3,
            "rescaled: The reported value is the mean over all targets, times 0.3333.",
        ),
        (3.05, "dropped: The reported value is the last part's loss alone."),
        (
            float(np.average(VALUES[:2], weights=COUNTS[:2])),
            "dropped: The reported value is the mean over all targets but the last part's.",
        ),
        (
            float(np.mean(VALUES[:2])),
            "dropped: The reported value is the mean of the parts' means but the last.",
        ),
        (
            float(np.exp(MEAN)),
            (
                "exact: The reported value is the exponential of the mean over all targets: "
                "a perplexity."
            ),
        ),
        (
            float(np.exp(MEANS)),
            (
                "mean of means: The reported value is the exponential of the mean of "
                "the parts' means: a perplexity."
            ),
        ),
        (
            float(np.mean(np.exp(VALUES))),
            (
                "not a mean: The reported value is the mean of the parts' means, but "
                "taken of exponentials; a perplexity is the exponential of a mean loss."
            ),
        ),
        (
            float(np.average(np.exp(VALUES), weights=COUNTS)),
            (
                "not a mean: The reported value is the mean over all targets, but taken of "
                "exponentials; a perplexity is the exponential of a mean loss."
            ),
        ),
        (
            2.9,
            (
                "reweighted: The reported value lies among the losses, but is none of the means "
                "that loops are known to report."
            ),
        ),
        (
            5.5,
            "unexplained: The reported value lies outside the losses, so it is not a mean of them.",
        ),
    ],
)
def test_what_loops_report_is_named(reported: float, summary: str) -> None:
    report = audit_mean(VALUES, COUNTS, reported)
    assert report.summary == summary
    assert report.ok is summary.startswith("exact")


def test_the_report_shows_weights_and_how_far_it_is_off() -> None:
    report = audit_mean(VALUES, COUNTS, 3.16)
    assert report.weights == pytest.approx([1 / 3] * 3)
    assert report.expected == pytest.approx(np.array(COUNTS) / 1220)
    text = str(report)
    assert text.startswith("MEAN OF MEANS: audit of a reported loss, 3 parts\n")
    assert "Reported 3.16, right 2.522: 25.32% off. " in text
    assert "do:   Add up summed losses and counts over all parts, then divide.\n" in text
    with pytest.raises(AssertionError, match=r"^MEAN OF MEANS"):
        report.check()
    perplexity = audit_mean(VALUES, COUNTS, float(np.exp(MEANS)))
    assert f"right {np.exp(MEAN):.2f}" in perplexity.details[0]


def test_means_by_group_are_named() -> None:
    values, counts, groups = [2.11, 2.93, 3.72, 1.34], [10, 40, 5, 5], "aabb"
    first, second = np.average(values[:2], weights=counts[:2]), np.mean(values[2:])
    report = audit_mean(values, counts, float(first + second) / 2, groups=groups)
    assert report.verdict.value == "mean-of-group-means"
    report = audit_mean(values, counts, float(np.average(values, weights=counts)), groups=groups)
    assert report.ok


def test_what_is_expected_may_be_said() -> None:
    assert audit_mean(VALUES, COUNTS, MEANS, expect="part").ok
    assert audit_mean(VALUES, COUNTS, MEAN, expect="part").ok is False
    weighted = audit_mean(VALUES, COUNTS, 0.5 * 2.31 + 0.5 * 3.05, expect=[0.5, 0, 0.5])
    assert weighted.claim == "The reported value is the mean that you expect."


# What cannot be determined


def undetermined(report: Report, said: str) -> None:
    assert report.ok is None, report
    assert report.verdict.value == "ambiguous"
    assert said in report.summary
    assert report.to_do.startswith("Pass more digits")


def test_values_that_are_too_close_for_their_digits_are_no_verdict() -> None:
    report = audit_mean([2.31, 2.32], [10, 90], 2.32)
    undetermined(report, "it would change the reported value by 0.004, and the numbers are only")
    assert report.notes == ("It could be the mean of the parts' means.",)
    assert audit_mean([2.31, 2.32], [10, 90], 2.319, decimals=4).ok
    assert audit_mean([2.31, 2.32], [10, 90], 2.315, decimals=4).ok is False


def test_equal_values_are_no_verdict_and_equal_counts_are_right_with_a_note() -> None:
    undetermined(audit_mean([2.0, 2.0], [10, 90], 2.0), "A mistake would look the same")
    report = audit_mean([2.31, 4.12], [50, 50], 3.215)
    assert report.ok
    assert any("counts are equal" in text for text in report.notes)


def test_one_part_and_a_value_nearly_right_are_no_verdict() -> None:
    undetermined(audit_mean([2.31], [10], 2.31), "With only one part, all means are the same")
    undetermined(audit_mean([2.31, 2.52, 3.3], [10, 90, 9], 2.55), "nearly the expected mean")


def test_zeros_that_are_not_printed_are_allowed_for() -> None:
    """2.3 may stand for 2.34; where it stands for 2.30, `decimals` says so."""
    undetermined(audit_mean([2.1, 2.5], [30, 70], 2.3), "A mistake would look the same")
    assert audit_mean([2.1, 2.5], [30, 70], 2.3, decimals=2).verdict.value == "mean-of-means"
    assert audit_mean([20.0, 50.0], [10, 90], 47, decimals=0).ok


def test_half_precision_is_allowed_for() -> None:
    values = [2.296875, 4.125, 3.046875]  # 2.3, 4.12 and 3.05 in bfloat16
    assert audit_mean(values, COUNTS, float(np.average([2.3, 4.12, 3.05], weights=COUNTS))).ok


def bfloat16(value: float) -> float:
    mantissa, exponent = np.frexp(value)
    return float(np.ldexp(np.round(mantissa * 2**8), exponent - 8))


@pytest.mark.parametrize("seed", range(40))
def test_no_right_mean_is_called_wrong_and_no_mean_of_means_right(seed: int) -> None:
    rng = np.random.default_rng(seed)
    K = int(rng.integers(2, 60))
    values, counts = rng.uniform(0.5, 9, K), rng.integers(1, 1000, K)
    seen = set()
    for kind in (float, np.float32, bfloat16, 4, 3, 2, 1):
        rounded = [float(round(v, kind) if isinstance(kind, int) else kind(v)) for v in values]
        for weights, right in ((counts, True), (np.ones(K), False)):
            mean = float(np.average(values, weights=weights))
            reported = float(round(mean, kind) if isinstance(kind, int) else kind(mean))
            ok = audit_mean(rounded, counts, reported).ok
            assert ok is not (not right), (kind, right)
            seen.add(ok)
    assert seen >= {True, False}


# What is refused


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([], [], 1.0), ValueError, "values must hold at least one loss, but it is empty"),
        ((3.0, [1], 1.0), TypeError, "values must be a sequence of 1 number, one per part"),
        (([1.0, 2.0], [1], 1.0), ValueError, "counts must be a sequence of 2 numbers"),
        (([1.0, 2.0], [1, -1], 1.0), ValueError, "counts must be finite, at least 0"),
        (([1.0, 2.0], [1, 1], "x"), TypeError, "reported must be a sequence of 1 number"),
        (([1.0, 2.0], [1, 1], float("nan")), ValueError, "reported must be finite, not nan"),
        (
            ([1.0, float("nan")], [1, 1], 1.0),
            ValueError,
            "values must be finite, but values[1] is nan: has it no target?",
        ),
    ],
)
def test_what_is_not_allowed_is_named(
    arguments: tuple[Any, Any, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        audit_mean(*arguments)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("decimals", "error", "message"),
    [
        (2.0, TypeError, "decimals must be an integer or None, not float"),
        (-1, ValueError, "decimals must be from 0 to 15, not -1"),
        (True, TypeError, "decimals must be an integer or None, not bool"),
    ],
)
def test_decimals_are_checked(decimals: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}$"):
        audit_mean(VALUES, COUNTS, MEAN, decimals=decimals)


def test_a_part_without_targets_is_left_out() -> None:
    report = audit_mean([2.31, float("nan"), 3.05], [900, 0, 300], 2.495)
    assert report.ok
    assert report.notes == ("Micro-batches without targets, left out: 1.",)


def test_a_mean_that_is_intended_may_have_a_factor() -> None:
    found = audit_mean([2.0, 5.0, 3.0], [10, 90, 7], 10.0, expect="part")
    assert found.claim == "The reported value is the mean that you expect, times 3."
