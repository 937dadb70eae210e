"""The audit of reported losses: each known mean is named, and no right one is called wrong."""

import re
from typing import Any

import numpy as np
import pytest

from gradexplain import Report, audit_mean

VALUES, COUNTS = [2.31, 4.12, 3.05], [900, 20, 300]
MEAN, MEANS = float(np.average(VALUES, weights=COUNTS)), float(np.mean(VALUES))
AMONG = (
    "The reported value lies among the losses, but is none of the means that loops are known "
    "to report."
)


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
        (2.9, f"reweighted: {AMONG}"),
        (2.31, f"reweighted: {AMONG}"),
        (4.12, f"reweighted: {AMONG}"),
        (4.125, f"reweighted: {AMONG}"),  # 4.12 may stand for 4.1249, and 4.125 for 4.1246
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


def test_each_part_shows_how_its_weight_compares() -> None:
    report = audit_mean([2.31, 4.12], [80, 20], 3.215)
    assert report.ratios == pytest.approx([0.625, 2.5])


@pytest.mark.parametrize(("K", "parts"), [(1, "1 part"), (2, "2 parts")])
def test_the_head_counts_the_parts(K: int, parts: str) -> None:
    report = audit_mean(VALUES[:K], COUNTS[:K], 2.31)
    assert report.head == f"audit of a reported loss, {parts}"


@pytest.mark.parametrize(
    ("reported", "first"),
    [
        (MEAN, ""),
        (MEAN / 3, ""),
        (MEANS, "Does a logger average what each step logs?"),
        (3.05, "Does the loader drop the last batch?"),
    ],
)
def test_only_what_causes_such_losses_is_asked(reported: float, first: str) -> None:
    questions = audit_mean(VALUES, COUNTS, reported).questions
    assert questions[0].startswith(first) if first else questions == ()


@pytest.mark.parametrize(
    ("values", "counts", "reported", "decimals", "said"),
    [
        (VALUES, COUNTS, 2.522, 3, "Reported 2.522, right 2.522. Numbers are known to ± 0.001."),
        ([20.0, 60.0], [1, 3], 50, 0, "Reported 50, right 50. Numbers are known to ± 1."),
        ([2.0, 4.0], [1, 3], 3.5, 2, "Reported 3.5, right 3.5. Numbers are known to ± 0.01."),
        ([1.5, -1.5], [50, 50], 700, 2, "Reported 700, right 0. Numbers are known to ± 0.012."),
        (
            np.array(VALUES, np.float32),
            COUNTS,
            np.float32(2.52),
            None,
            "Reported 2.52, right 2.522. Numbers are known to ± 0.01.",
        ),
        (  # all digits of a double count, though it is almost a short number
            VALUES,
            COUNTS,
            3.1599999999999997,
            None,
            "Reported 3.16, right 2.522: 25.32% off. Numbers are known to ± 0.005.",
        ),
        (
            [2.296875, 4.125, 3.046875],
            COUNTS,
            2.51,
            None,
            "Reported 2.51, right 2.511. Numbers are known to ± 0.013.",
        ),
    ],
)
def test_the_report_says_how_well_the_numbers_are_known(
    values: Any, counts: list[int], reported: float, decimals: int | None, said: str
) -> None:
    assert audit_mean(values, counts, reported, decimals=decimals).details == (said,)


def test_all_that_a_wrong_value_could_be_is_noted() -> None:
    last, rest = "the last part's loss alone", "the mean of the parts' means but the last"
    report = audit_mean([2.31, 4.12, 3.23], [10, 900, 20], 3.22)
    assert report.verdict.value == "mean-of-means"
    assert report.notes == (f"It could be {last}.", f"It could be {rest}.")


@pytest.mark.parametrize("kind", [tuple, iter, np.array])
def test_losses_and_counts_may_be_any_sequence_or_come_one_by_one(kind: Any) -> None:
    assert audit_mean(kind(VALUES), kind(COUNTS), MEAN).ok


def test_losses_of_single_targets_may_be_rounded_too() -> None:
    assert audit_mean([2.3, 4.1], [1, 1], 3.24).ok


def test_a_value_as_far_off_as_all_roundings_together_is_right() -> None:
    assert audit_mean([20.0, 60.0], [1, 3], 51, decimals=0).ok
    assert audit_mean([20.0, 60.0], [1, 3], 52, decimals=0).ok is None


@pytest.mark.parametrize("kept", [2.31, 4.12])
def test_of_two_parts_either_may_be_dropped(kept: float) -> None:
    assert audit_mean([2.31, 4.12], [80, 20], kept).verdict.value == "dropped"


@pytest.mark.parametrize(
    ("values", "counts", "reported", "expect"),
    [
        ([800.0, 901.0], [1, 3], 875.75, "target"),
        ([800.0, 900.0, 1.0], [1, 2, 3], 400.5, [0.5, 0, 0.5]),
        ([1e39, 2e39], [10, 90], 1.9e39, "target"),
    ],
)
def test_losses_too_large_for_exp_or_float32_are_judged(
    values: list[float], counts: list[int], reported: float, expect: Any
) -> None:
    assert audit_mean(values, counts, reported, expect=expect).ok


def test_means_by_group_are_named() -> None:
    values, counts, groups = [2.11, 2.93, 3.72, 1.34], [10, 40, 5, 5], list("aabb")
    first, second = np.average(values[:2], weights=counts[:2]), np.mean(values[2:])
    report = audit_mean(values, counts, float(first + second) / 2, groups=groups)
    assert report.verdict.value == "mean-of-group-means"
    mean = float(np.average(values, weights=counts))
    assert audit_mean(values, counts, mean, groups=groups).ok
    halved = audit_mean(values, counts, mean / 2, groups=groups)
    assert halved.claim == "The reported value is the mean over all targets, times 0.5."
    summed = audit_mean(values, counts, float(first + second), groups=groups)
    assert summed.verdict.value == "unexplained"  # a factor of a mean by group is not guessed at


def test_what_is_expected_may_be_said() -> None:
    assert audit_mean(VALUES, COUNTS, MEANS, expect="part").ok
    assert audit_mean(VALUES, COUNTS, MEAN, expect="part").ok is False
    weighted = audit_mean(VALUES, COUNTS, 0.5 * 2.31 + 0.5 * 3.05, expect=[0.5, 0, 0.5])
    assert weighted.claim == "The reported value is the mean that you expect."


@pytest.mark.parametrize("expect", [[0, 0, 1], [1, -1, 1], [0.1, 0.2, -0.3, 1]])
def test_expected_weights_may_cancel_without_the_last(expect: list[float]) -> None:
    """Then there is no mean over the others, and nothing is taken for it."""
    values = [*[2.31, 2.32, 2.31][: len(expect) - 1], 3.63]
    assert audit_mean(values, [9] * len(expect), float(np.dot(expect, values)), expect=expect).ok
    assert audit_mean(values, [9] * len(expect), 99.9, expect=expect).verdict.value == "unexplained"


# What cannot be determined


def undetermined(report: Report, said: str) -> None:
    assert report.ok is None, report
    assert report.verdict.value == "ambiguous"
    assert said in report.summary
    assert report.to_do.startswith("Pass more digits")


def test_values_that_are_too_close_for_their_digits_are_no_verdict() -> None:
    report = audit_mean([2.31, 2.32], [10, 90], 2.32)
    undetermined(report, "it would change the reported value by 0.004, and the numbers are only")
    assert report.summary.endswith("known to ± 0.01.")
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
    half = audit_mean([2.296875, 4.125, 3.046875], COUNTS, 2.53)
    undetermined(half, "farther from it than the digits explain, ± 0.01294.")


def test_zeros_that_are_not_printed_are_allowed_for() -> None:
    """2.3 may stand for 2.34; where it stands for 2.30, `decimals` says so."""
    undetermined(audit_mean([2.1, 2.5], [30, 70], 2.3), "A mistake would look the same")
    assert audit_mean([2.1, 2.5], [30, 70], 2.3, decimals=2).verdict.value == "mean-of-means"
    assert audit_mean([20.0, 50.0], [10, 90], 47, decimals=0).ok


def test_half_precision_is_allowed_for() -> None:
    values = [2.296875, 4.125, 3.046875]  # 2.3, 4.12 and 3.05 in bfloat16
    assert audit_mean(values, COUNTS, float(np.average([2.3, 4.12, 3.05], weights=COUNTS))).ok
    # 8.1138, 8.2945 and their mean 8.21418: below a power of two, rounding is half as coarse.
    assert audit_mean([8.125, 8.3125], [768, 960], 8.1875).ok is None
    assert audit_mean([7.90625, 7.28125], [768, 960], 7.59375).ok is False


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
        ((3.0, [1], 1.0), TypeError, "values must be a sequence of numbers, one per part, not 3.0"),
        (
            ({2.0, 1.0}, [1, 2], 1.0),
            TypeError,
            "values must be a sequence of numbers, one per part",
        ),
        ((["a"], [1], 1.0), TypeError, "values[0] must be a number, not 'a'"),
        (([1.0, 2.0], [1], 1.0), ValueError, "counts must be a sequence of 2 numbers"),
        (([1.0, 2.0], [1, -1], 1.0), ValueError, "counts must be finite, at least 0"),
        (([1.0, 2.0], [1, 1], "x"), TypeError, "reported must be a number, not 'x'"),
        (([1.0, 2.0], [1, 1], float("nan")), ValueError, "reported must be finite, not nan"),
        (
            ([1.0, float("nan")], [1, 1], 1.0),
            ValueError,
            (
                "values must be finite, but values[1] is nan: has it no target? "
                "Then its mean is 0/0; with a count of 0 it is left out"
            ),
        ),
    ],
)
def test_what_is_not_allowed_is_named(
    arguments: tuple[Any, Any, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        audit_mean(*arguments)


@pytest.mark.bad_input
@pytest.mark.parametrize("groups", [2, "aabb", {"a", "b"}])
def test_groups_are_a_label_per_part(groups: Any) -> None:
    message = "groups must be a sequence of 3 labels, one per part, not "
    with pytest.raises(TypeError, match=f"^{message}{re.escape(repr(groups))}$"):
        audit_mean(VALUES, COUNTS, MEAN, groups=groups)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("decimals", "error", "message"),
    [
        (2.0, TypeError, "decimals must be an integer or None, not float"),
        (-1, ValueError, "decimals must be from 0 to 15, not -1"),
        (16, ValueError, "decimals must be from 0 to 15, not 16"),
        (True, TypeError, "decimals must be an integer or None, not bool"),
    ],
)
def test_decimals_are_checked(decimals: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}$"):
        audit_mean(VALUES, COUNTS, MEAN, decimals=decimals)


def test_a_double_may_have_fifteen_decimals() -> None:
    assert audit_mean(VALUES, COUNTS, MEAN, decimals=15).ok


@pytest.mark.parametrize("empty", [float("nan"), 2.123456])
def test_a_part_without_targets_is_left_out(empty: float) -> None:
    report = audit_mean([2.3, empty, 3.1], [900, 0, 300], 2.54)
    assert report.ok
    assert report.notes == ("Micro-batches without targets, left out: 1.",)


def test_a_mean_that_is_intended_may_have_a_factor() -> None:
    found = audit_mean([2.0, 5.0, 3.0], [10, 90, 7], 10.0, expect="part")
    assert found.claim == "The reported value is the mean that you expect, times 3."


@pytest.mark.parametrize(("reported", "verdict"), [(4.14, "reweighted"), (4.3, "unexplained")])
def test_a_value_outside_the_losses_by_less_than_their_rounding_may_be_a_mean(
    reported: float, verdict: str
) -> None:
    assert audit_mean([1.1, 4.1, 2.0], [1, 3, 3], reported).verdict == verdict
    assert audit_mean([-1.1, -4.1, -2.0], [1, 3, 3], -reported).verdict == verdict


def test_a_perplexity_that_is_not_known_to_its_own_size_explains_nothing() -> None:
    assert audit_mean([800.0, 900.0, 1.0], [1, 3, 3], 429).verdict == "reweighted"
