"""Where no weights give A: which parameters are off, what explains it, and what is said."""

from dataclasses import replace

import numpy as np
import pytest
from audits import Gradient, plus, random_parts, times, weighted

from gradexplain import Verdict, audit_accumulation, sketch
from gradexplain.audit.case import Case, Known
from gradexplain.audit.outside import strays
from gradexplain.audit.weights import Reading

COUNTS = [10.0, 90.0, 30.0, 5.0]
RIGHT = np.array(COUNTS) / sum(COUNTS)
PARTS = random_parts()
T = weighted(RIGHT, PARTS)
ALIKE = np.ones(4) / 4
STRAY = random_parts(1, seed=9)[0]
NO_SUM = (
    "A is no weighted sum of the parts: something else was added, or the parts are not those that "
    "were accumulated. The weights below come closest."
)


# Which parameters are off by themselves


def off_by(distance: float, K: int, dtype: str, length: float = 1.0) -> Case:
    """Return a mean of K parts at right angles, each so long, that is off by `distance`."""
    mean = np.ones(K) / K
    A = Reading(length**2 * np.eye(K), np.zeros(K), distance**2, mean, dtype, 100, length)
    return Case(A, mean, 0 * mean, 100, roomy=True, known=Known(None, None, None))


def is_stray(distance: float, K: int, dtype: str, whole: float = 1.0) -> bool:
    case = off_by(0, K, dtype, whole)
    return strays(replace(case, parameters=(("w", off_by(distance, K, dtype)),))) == ["w"]


@pytest.mark.parametrize(
    ("K", "dtype", "whole", "limit"),
    [
        (4, "float64", 1.0, 30 * 1e-7),
        (4, "float32", 1.0, 30 * 16 * 2.0**-24 * 2),
        (4, "bfloat16", 1.0, 1 / 10),  # a tenth is less than 30 times the tolerance
        (64, "bfloat16", 1.0, 4 * 2.0**-8 * 8),  # and never less than the tolerance
        (4, "float32", 1e4, 1e4 * 2.0**-24),  # nor than the rounding of the whole
    ],
)
def test_a_parameter_is_off_by_its_own_tolerance_and_by_its_size(
    K: int, dtype: str, whole: float, limit: float
) -> None:
    assert not is_stray(0.99 * limit, K, dtype, whole)
    assert is_stray(1.01 * limit, K, dtype, whole)


# Each parameter by itself


def test_a_parameter_that_is_off_but_too_small_to_be_told_spoils_the_others_story() -> None:
    A = {**T, "w": 2 * T["w"]}
    assert audit_accumulation(A, PARTS, COUNTS).verdict is Verdict.UNEVEN
    A["scale"] = 3 * T["scale"]
    report = audit_accumulation(A, PARTS, COUNTS)
    assert report.verdict is Verdict.UNEXPLAINED
    assert report.notes == ("2 of 3 parameters are off: w, scale",)


def test_a_parameter_that_no_weights_give_is_let_pass_only_if_it_is_next_to_right() -> None:
    parts = [{**part, "c": part["w"][:10] + part["w"][10:20]} for part in PARTS]
    A = {**weighted(RIGHT, parts), "w": 2 * T["w"]}
    size = np.linalg.norm(A["c"]) / np.linalg.norm(STRAY["w"][:10])
    for much, verdict in [(5e-7, Verdict.UNEVEN), (1e-4, Verdict.UNEXPLAINED)]:
        report = audit_accumulation(
            {**A, "c": A["c"] + much * size * STRAY["w"][:10]}, parts, COUNTS
        )
        assert report.verdict is verdict
        if verdict is Verdict.UNEVEN:
            assert report.parameters == (("w", "rescaled, times 2"), ("b", "exact"))


def test_each_parameter_s_reading_has_its_factor() -> None:
    A = {**T, "w": 2 * weighted(ALIKE, PARTS)["w"], "b": weighted([0, *RIGHT[1:]], PARTS)["b"]}
    report = audit_accumulation(A, PARTS, COUNTS)
    assert report.verdict is Verdict.UNEVEN
    assert report.says == (
        "Each parameter is a weighted sum of the parts, but not all by the same weights."
    )
    assert report.parameters == (("w", "mean of means, times 2"), ("b", "dropped"))
    frozen = audit_accumulation({**T, "w": 0 * T["w"]}, PARTS, COUNTS)
    assert dict(frozen.parameters) == {"w": "dropped, times 0", "b": "exact"}


# Extra columns


def test_several_extra_columns_are_named_each_with_its_coefficient() -> None:
    theta, before = random_parts(2, seed=9)
    A = plus(plus(T, theta, 0.01), before, -0.5)
    extra = {"theta": theta, "before": before}
    assert audit_accumulation(A, PARTS, COUNTS, extra=extra).says == (
        "But for extra columns, A is the mean gradient; it holds "
        "0.01 × extra['theta'] and −0.5 × extra['before']."
    )


def test_an_extra_column_with_another_coefficient_in_each_parameter() -> None:
    parts = [{"w": part["w"], "b": part["b"]} for part in PARTS]
    A = {"w": T["w"] + 0.01 * STRAY["w"], "b": T["b"] + 0.02 * STRAY["b"]}
    theta = {"w": STRAY["w"], "b": STRAY["b"]}
    report = audit_accumulation(A, parts, COUNTS, extra={"theta": theta})
    assert report.verdict is Verdict.EXTRA_TERM
    assert report.says == (
        "Each parameter is the mean of the parts plus its own multiple of the extra columns."
    )
    says = "But for extra columns, A is the mean gradient; it holds {} × extra['theta']."
    assert dict(report.parameters) == {"w": says.format("0.01"), "b": says.format("0.02")}


def test_an_extra_term_beside_parts_whose_mean_is_zero() -> None:
    """No factor can be read of a mean of zero, and none is asked for."""
    parts = [PARTS[0], times(PARTS[0], -1.0)]
    A = plus(PARTS[0], STRAY)
    report = audit_accumulation(A, parts, [1, 1], extra={"theta": STRAY})
    assert report.verdict is Verdict.EXTRA_TERM
    assert "A weighs the parts in another way; it holds 1 × extra['theta']." in report.says


# What is said


def several(number: int) -> tuple[list[Gradient], Gradient]:
    """Return parts of so many parameters, and a gradient that lies outside their span."""
    rng = np.random.default_rng(0)
    parts: list[Gradient] = [
        {f"p{n}": rng.standard_normal(30) for n in range(number)} for _ in range(4)
    ]
    return parts, {f"p{n}": rng.standard_normal(30) for n in range(number)}


@pytest.mark.parametrize(
    ("number", "note"),
    [
        (1, "1 of 5 parameters are off: p0"),
        (3, "3 of 5 parameters are off: p0, p1, p2"),
        (4, "4 of 5 parameters are off: p0, p1, p2, …"),
        (5, None),
    ],
)
def test_unexplained_names_the_parameters_that_are_off_unless_all_are(
    number: int, note: str | None
) -> None:
    parts, stray = several(5)
    A = weighted(RIGHT, parts)
    for n in range(number):
        A[f"p{n}"] = A[f"p{n}"] + stray[f"p{n}"]
    report = audit_accumulation(A, parts, COUNTS)
    assert (report.verdict, report.says) == (Verdict.UNEXPLAINED, NO_SUM)
    assert report.notes == ((note,) if note else ())


def test_unexplained_names_no_parameter_where_each_is_off_by_too_little() -> None:
    A = plus(T, STRAY, 1e-6 * float(np.linalg.norm(T["w"]) / np.linalg.norm(STRAY["w"])))
    report = audit_accumulation(A, PARTS, COUNTS)
    assert (report.verdict, report.notes) == (Verdict.UNEXPLAINED, ())


def test_unexplained_on_sketches_says_that_the_weights_are_not_to_be_trusted() -> None:
    sketches = [sketch(part) for part in PARTS]
    report = audit_accumulation(sketch(plus(T, STRAY)), sketches, COUNTS)
    assert (report.verdict, report.says) == (Verdict.UNEXPLAINED, NO_SUM)
    assert report.notes == (
        "on sketches the weights below are not to be trusted: audit full gradients",
    )
