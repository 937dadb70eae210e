"""Where no weights give A: which parameters are off, what explains it, and what is said."""

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

from gradexplain import Verdict, audit_accumulation, sketch
from gradexplain.audit.judge.case import Case, Extended, Parts
from gradexplain.audit.judge.outside import _multiple, extra_term, strays
from gradexplain.audit.judge.weights import Weights
from gradexplain.audit.read.reading import read
from gradexplain.audit.read.sources import sources

K = len(PARTS)


T = weighted(RIGHT, PARTS)
STRAY = random_parts(1, seed=9)[0]
NO_SUM = (
    "A is not a weighted sum of the parts: something else was added, or these are not the parts "
    "that were accumulated. The weights below come closest."
)
RIGHT_INSIDE = "The share of A that the parts explain has the expected weights."


def is_stray(distance: float, K: int, dtype: str, whole: float) -> bool:
    """Tell whether a parameter that is off by so much is noticed, beside one of length `whole`."""
    parts = [{"w": row, "rest": whole * row} for row in np.eye(K, 2 * K)]
    A = {"w": np.full(2 * K, 1 / K), "rest": np.full(2 * K, whole / K)}
    A["w"][K:] = A["rest"][K:] = 0
    A["w"][K] = distance
    table = Parts(np.ones(K) / K, np.zeros(K))
    reading = read(sources(A, {"parts": parts}), table, dtype)
    return strays(Case(reading.weights, table, reading.evidence)) == ["w"]


@pytest.mark.parametrize(
    ("K", "dtype", "whole", "limit"),
    [
        (4, "float64", 0.0, 30 * 1e-7),
        (4, "float32", 0.0, 30 * 16 * 2.0**-24 * 2),
        (4, "bfloat16", 0.0, 1 / 10),  # a tenth is less than 30 times the tolerance
        (64, "bfloat16", 0.0, 4 * 2.0**-8 * 8),  # and never less than the tolerance
        (4, "float32", 1e4, 1e4 * 2.0**-24),  # nor than the rounding of the whole
    ],
)
def test_a_parameter_is_off_by_its_own_tolerance_and_by_its_size(
    K: int, dtype: str, whole: float, limit: float
) -> None:
    assert not is_stray(0.99 * limit, K, dtype, whole)
    assert is_stray(1.01 * limit, K, dtype, whole)


# Each parameter by itself


def test_parameters_that_each_fit_by_themselves_are_uneven() -> None:
    A = weighted(RIGHT, PARTS)
    report = audit_accumulation({**A, "w": 2 * A["w"]}, PARTS, counts=COUNTS)
    assert report.verdict is Verdict.UNEVEN
    assert report.parameters == (
        ("w", "A is the mean gradient, times 2."),
        ("b", "A is the mean gradient."),
    )
    one = audit_accumulation({**A, "w": weighted(ALIKE, PARTS)["w"]}, PARTS, counts=COUNTS)
    assert dict(one.parameters) == {
        "w": "A weighs every part alike.",
        "b": "A is the mean gradient.",
    }
    noisy = {**A, "w": A["w"] + 1e-4 * np.random.default_rng(0).standard_normal(A["w"].shape)}
    report = audit_accumulation(noisy, PARTS, counts=COUNTS)
    assert report.verdict is Verdict.UNEXPLAINED
    assert report.notes == ("1 of 3 parameters are off: w.", RIGHT_INSIDE)


def test_a_parameter_too_small_to_be_told_by_itself_is_still_not_exact() -> None:
    A = weighted(RIGHT, PARTS)
    report = audit_accumulation({**A, "scale": 2 * A["scale"]}, PARTS, counts=COUNTS)
    assert report.verdict is Verdict.UNEXPLAINED
    assert report.notes == ("1 of 3 parameters are off: scale.", RIGHT_INSIDE)


def test_a_short_parameter_beside_a_long_one_is_seen() -> None:
    """By the whole gradient's tolerance, a hundredth of a millionth would pass."""
    parts: list[Gradient] = [{"long": p["w"], "short": 1e-5 * p["b"]} for p in PARTS]
    parts = [{name: np.asarray(v, np.float32) for name, v in p.items()} for p in parts]
    A = weighted(RIGHT, parts)
    assert audit_accumulation(A, parts, counts=COUNTS).verdict is Verdict.EXACT
    A["short"] = 1.2 * A["short"]
    report = audit_accumulation(A, parts, counts=COUNTS)
    assert dict(report.parameters) == {
        "long": "A is the mean gradient.",
        "short": "A is the mean gradient, times 1.2.",
    }


def test_parameters_come_before_extra_columns() -> None:
    T = weighted(RIGHT, PARTS)
    A = {**T, "w": 2 * T["w"]}
    column = {"w": T["w"], "b": 0 * T["b"], "scale": 0 * T["scale"]}
    report = audit_accumulation(A, PARTS, counts=COUNTS, extra={"column": column})
    assert report.verdict is Verdict.UNEVEN


def test_a_parameter_that_is_off_but_too_small_to_be_told_spoils_the_others_story() -> None:
    A = {**T, "w": 2 * T["w"]}
    assert audit_accumulation(A, PARTS, counts=COUNTS).verdict is Verdict.UNEVEN
    A["scale"] = 3 * T["scale"]
    report = audit_accumulation(A, PARTS, counts=COUNTS)
    assert report.verdict is Verdict.UNEXPLAINED
    assert report.notes == ("2 of 3 parameters are off: w, scale.",)


def test_a_parameter_that_no_weights_give_is_let_pass_only_if_it_is_next_to_right() -> None:
    parts = [{**part, "c": part["w"][:10] + part["w"][10:20]} for part in PARTS]
    A = {**weighted(RIGHT, parts), "w": 2 * T["w"]}
    size = np.linalg.norm(A["c"]) / np.linalg.norm(STRAY["w"][:10])
    for much, verdict in [(5e-7, Verdict.UNEVEN), (1e-4, Verdict.UNEXPLAINED)]:
        report = audit_accumulation(
            {**A, "c": A["c"] + much * size * STRAY["w"][:10]}, parts, counts=COUNTS
        )
        assert report.verdict is verdict
        if verdict is Verdict.UNEVEN:
            assert [name for name, _ in report.parameters] == ["w", "b"]


def test_each_parameter_s_reading_has_its_factor() -> None:
    A = {**T, "w": 2 * weighted(ALIKE, PARTS)["w"], "b": weighted([0, *RIGHT[1:]], PARTS)["b"]}
    report = audit_accumulation(A, PARTS, counts=COUNTS)
    assert report.verdict is Verdict.UNEVEN
    assert report.claim == (
        "Each parameter is a weighted sum of the parts, but not all by the same weights."
    )
    assert report.parameters == (
        ("w", "A weighs every part alike, times 2."),
        ("b", "A lacks parts[0]; the others keep their proportions, not renormalized."),
    )
    frozen = audit_accumulation({**T, "w": 0 * T["w"]}, PARTS, counts=COUNTS)
    assert dict(frozen.parameters) == {
        "w": "A contains none of these parts: all of them were dropped.",
        "b": "A is the mean gradient.",
    }


# Extra columns


def test_an_extra_column_that_explains_the_rest_is_named() -> None:
    theta = random_parts(1, seed=9)[0]
    A = plus(weighted(RIGHT, PARTS), theta, 0.01)
    assert audit_accumulation(A, PARTS, counts=COUNTS).verdict is Verdict.UNEXPLAINED
    report = audit_accumulation(A, PARTS, counts=COUNTS, extra={"theta": theta})
    assert report.verdict is Verdict.EXTRA_TERM
    assert report.claim == (
        "Apart from the extra columns, A is the mean gradient; it holds 0.01 × extra['theta']."
    )
    assert report.weights == pytest.approx(RIGHT, rel=1e-6)
    sketched = audit_accumulation(
        sketch(A), [sketch(part) for part in PARTS], counts=COUNTS, extra={"theta": sketch(theta)}
    )
    assert sketched.claim == report.claim
    other = audit_accumulation(
        A, PARTS, counts=COUNTS, extra={"theta": random_parts(1, seed=10)[0]}
    )
    assert other.verdict is Verdict.UNEXPLAINED


def test_an_extra_term_and_wrong_weights_are_told_apart() -> None:
    previous = random_parts(1, seed=9)[0]
    for weights, text in [
        (ALIKE, "A weighs every part alike;"),
        (K * ALIKE, "A weighs every part alike, times 4;"),
        (K * RIGHT, "A is the mean gradient, times 4;"),
        (np.array([0.4, 0.3, 0.2, 0.1]), "A weighs the parts in another way;"),
    ]:
        A = plus(weighted(weights, PARTS), previous)
        report = audit_accumulation(A, PARTS, counts=COUNTS, extra={"previous": previous})
        assert report.verdict is Verdict.EXTRA_TERM
        assert text in report.claim
        assert "1 × extra['previous']" in report.claim


@pytest.mark.parametrize("weights", [RIGHT, np.array([0.4, 0.3, 0.2, 0.1])])
def test_the_weights_beside_an_extra_term_have_a_factor_of_their_own(
    weights: npt.NDArray[np.float64],
) -> None:
    table = Parts(RIGHT, 1e-9 * RIGHT)
    A = {**plus(weighted(weights, PARTS), STRAY, 0.01), "b": weighted(weights, PARTS)["b"]}
    for given in (A, plus(weighted(weights, PARTS), STRAY, 0.01)):
        reading = read(sources(given, {"parts": PARTS}, extra={"theta": STRAY}), table, None)
        found = extra_term(Case(reading.weights, table, reading.evidence))
        assert found is not None
        each = [one for name, one in found.parameters if name != "scale"] or [found]
        assert {one.verdict for one in each} == {Verdict.EXTRA_TERM}
        assert {one.claim.facts["factor"] for one in each} == {1.0}


def test_decay_on_some_parameters_only() -> None:
    theta = random_parts(1, seed=9)[0]
    A = weighted(RIGHT, PARTS)
    A["w"] = A["w"] + 0.01 * theta["w"]
    report = audit_accumulation(A, PARTS, counts=COUNTS, extra={"theta": theta})
    assert report.verdict is Verdict.EXTRA_TERM
    assert "0.01 × extra['theta']" in dict(report.parameters)["w"]


def test_an_extra_column_that_is_not_needed_changes_nothing() -> None:
    theta = random_parts(1, seed=9)[0]
    assert report_of(RIGHT, extra={"theta": theta}).verdict is Verdict.EXACT


def test_extra_columns_that_explain_nothing_leave_the_weights_as_they_are() -> None:
    A = plus(T, random_parts(1, seed=10)[0], 0.1)
    without = audit_accumulation(A, PARTS, counts=COUNTS)
    report = audit_accumulation(A, PARTS, counts=COUNTS, extra={"theta": STRAY})
    assert report.verdict is without.verdict is Verdict.UNEXPLAINED
    assert report.weights == without.weights


def test_several_extra_columns_are_named_each_with_its_coefficient() -> None:
    theta, before = random_parts(2, seed=9)
    A = plus(plus(T, theta, 0.01), before, -0.5)
    extra = {"theta": theta, "before": before}
    assert audit_accumulation(A, PARTS, counts=COUNTS, extra=extra).claim == (
        "Apart from the extra columns, A is the mean gradient; it holds "
        "0.01 × extra['theta'] and −0.5 × extra['before']."
    )


def test_an_extra_column_with_another_coefficient_in_each_parameter() -> None:
    parts = [{"w": part["w"], "b": part["b"]} for part in PARTS]
    A = {"w": T["w"] + 0.01 * STRAY["w"], "b": T["b"] + 0.02 * STRAY["b"]}
    theta = {"w": STRAY["w"], "b": STRAY["b"]}
    report = audit_accumulation(A, parts, counts=COUNTS, extra={"theta": theta})
    assert report.verdict is Verdict.EXTRA_TERM
    assert report.claim == (
        "Each parameter is the mean of the parts plus its own multiple of the extra columns."
    )
    says = "Apart from the extra columns, A is the mean gradient; it holds {} × extra['theta']."
    assert dict(report.parameters) == {"w": says.format("0.01"), "b": says.format("0.02")}


def test_an_extra_term_beside_parts_whose_mean_is_zero() -> None:
    """No factor can be read of a mean of zero, and none is asked for."""
    parts = [PARTS[0], times(PARTS[0], -1.0)]
    A = plus(PARTS[0], STRAY)
    report = audit_accumulation(A, parts, counts=[1, 1], extra={"theta": STRAY})
    assert report.verdict is Verdict.EXTRA_TERM
    assert "A weighs the parts in another way; it holds 1 × extra['theta']." in report.claim


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
        (1, "1 of 5 parameters are off: p0."),
        (3, "3 of 5 parameters are off: p0, p1, p2."),
        (4, "4 of 5 parameters are off: p0, p1, p2, …."),
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
    report = audit_accumulation(A, parts, counts=COUNTS)
    assert (report.verdict, report.claim) == (Verdict.UNEXPLAINED, NO_SUM)
    assert report.notes == ((note, RIGHT_INSIDE) if note else (RIGHT_INSIDE,))


def test_unexplained_names_no_parameter_where_each_is_off_by_too_little() -> None:
    A = plus(T, STRAY, 1e-6 * float(np.linalg.norm(T["w"]) / np.linalg.norm(STRAY["w"])))
    report = audit_accumulation(A, PARTS, counts=COUNTS)
    assert (report.verdict, report.notes) == (Verdict.UNEXPLAINED, (RIGHT_INSIDE,))


def test_unexplained_on_sketches_says_that_the_weights_are_not_to_be_trusted() -> None:
    sketches = [sketch(part) for part in PARTS]
    report = audit_accumulation(sketch(plus(T, STRAY)), sketches, counts=COUNTS)
    assert (report.verdict, report.claim) == (Verdict.UNEXPLAINED, NO_SUM)
    assert report.notes == (
        "On sketches these weights are only estimates: audit the full gradients.",
        RIGHT_INSIDE,
    )


def test_outside_the_span_a_sketch_says_unexplained_and_nothing_finer() -> None:
    A = weighted(RIGHT, PARTS)
    uneven = {**A, "w": 2 * A["w"]}
    sketches = [sketch(part) for part in PARTS]
    report = audit_accumulation(sketch(uneven), sketches, counts=COUNTS)
    assert report.verdict is Verdict.UNEXPLAINED
    assert "only estimates" in report.notes[0]


# Parts that are too small


def test_a_shorter_than_what_can_be_read_beside_the_parts_is_ambiguous() -> None:
    parts = [*PARTS[:3], times(PARTS[3], 1e-9)]
    report = audit_accumulation(parts[3], [*parts[:3], times(parts[3], 1.0)], counts=COUNTS)
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.claim == "A is too small next to the parts for its weights to be read."


def test_a_part_shorter_than_the_rounding_of_the_others_is_not_taken_for_something_else() -> None:
    parts = random_parts(dtype=np.float32)
    parts[3] = {name: np.float32(4e-7) * value for name, value in parts[3].items()}
    A = weighted([0, 0, 0, 1], parts)
    for report in (
        audit_accumulation(A, parts, counts=COUNTS),
        audit_accumulation(sketch(A), [sketch(part) for part in parts], counts=COUNTS),
    ):
        assert report.verdict is Verdict.AMBIGUOUS
        assert report.claim.startswith("A may contain parts[3], but next to the other parts")
    stray = times(random_parts(1, seed=9)[0], 4e-7)
    assert audit_accumulation(stray, parts, counts=COUNTS).verdict is Verdict.UNEXPLAINED


def test_parts_without_length_are_no_multiple_of_anything() -> None:
    read = Weights(np.array([1.0, 2.0, 3.0]), np.zeros(3), 0.0, np.diag([0.0, 0.0, 1.0]))
    assert _multiple(Extended(("theta",), read, 0.0, 1.0), np.ones(2)) == 0
