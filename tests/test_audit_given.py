"""What a user says beside the gradients: each kind of bad input is refused by name."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from audits import COUNTS, RIGHT, Gradient, random_parts, weighted

from gradexplain import PerWorker, Term, Update, Verdict, audit_accumulation
from gradexplain.audit.given import checked_counts, checked_terms, numbers, parts_table

PARTS = random_parts()
A = weighted(RIGHT, PARTS)
OTHERS = random_parts(2, seed=5)


class Unspeakable:
    """An array of another framework, of which an error shows the whole."""

    def __iter__(self) -> Iterator[object]:
        return iter([1, 2, [3, [4]], 5])

    def __repr__(self) -> str:
        return "Unspeakable()"


class Row:
    """As a torch.Tensor of one row and one column, which float() takes."""

    ndim = 1

    def __float__(self) -> float:
        return 1.0

    def __repr__(self) -> str:
        return "tensor([1.])"


COUNTS_WANTED = "counts must be a sequence of 4 numbers, one per part"
GROUPS_WANTED = "groups must be a sequence of 4 labels, one per part"
EXPECT_WANTED = 'expect must be "target", "part" or 4 weights'
REFUSED: list[tuple[type[Exception], str, dict[str, Any]]] = [
    (TypeError, f"{COUNTS_WANTED}, not 40", {"counts": 40}),
    (TypeError, f"{COUNTS_WANTED}, not 'abcd'", {"counts": "abcd"}),
    (TypeError, f"{COUNTS_WANTED}, not b'abcd'", {"counts": b"abcd"}),
    (TypeError, f"{COUNTS_WANTED}, not {{0: 10}}", {"counts": {0: 10}}),
    (TypeError, "counts[0] must be a number, not 'a'", {"counts": ["a"]}),
    (TypeError, "counts[2] must be a number, not '3'", {"counts": [1, 2, "3", 4]}),
    (TypeError, "counts[0] must be a number, not b'3'", {"counts": [b"3", 2, 3, 4]}),
    (TypeError, "counts[2] must be a number, not None", {"counts": [1, 2, None, 4]}),
    (TypeError, "counts[1] must be a number, not True", {"counts": [1, True, 3, 4]}),
    (TypeError, "counts[0] must be a number, not 1j", {"counts": [1j, 2, 3, 4]}),
    (TypeError, "counts[2] must be a number, not [3, [4]]", {"counts": Unspeakable()}),
    (TypeError, "counts[0] must be a number, not array([1., 1.])", {"counts": np.ones((4, 2))}),
    (TypeError, "counts[0] must be a number, not tensor([1.])", {"counts": [Row()] * 4}),
    (
        ValueError,
        "counts[1] must be a number, but is too large for a float",
        {"counts": [1, 10**400, 3, 4]},
    ),
    (ValueError, f"{COUNTS_WANTED}, not 3", {"counts": [1, 2, 3]}),
    (ValueError, f"{COUNTS_WANTED}, not 0", {"counts": []}),
    (
        ValueError,
        "counts must be finite, at least 0 and not all 0, not [1.0, -1.0, 2.0, 3.0]",
        {"counts": [1, -1, 2, 3]},
    ),
    (
        ValueError,
        "counts must be finite, at least 0 and not all 0, not [0.0, 0.0, 0.0, 0.0]",
        {"counts": [0, 0, 0, 0]},
    ),
    (
        ValueError,
        "counts must be finite, at least 0 and not all 0, not [1.0, nan, 2.0, 3.0]",
        {"counts": [1, float("nan"), 2, 3]},
    ),
    (
        ValueError,
        "counts must be finite, at least 0 and not all 0, not [1.0, inf, 2.0, 3.0]",
        {"counts": [1, float("inf"), 2, 3]},
    ),
    (ValueError, "counts or full must be given, or both", {"counts": None}),
    (
        ValueError,
        'counts must be given where reduction is "sum"',
        {"counts": None, "reduction": "sum"},
    ),
    (
        ValueError,
        "counts must be given where there are terms",
        {"counts": None, "terms": {"aux": Term(OTHERS, [1, 2])}},
    ),
    (
        ValueError,
        "reduction must be one of mean, sum, not 'none'",
        {"reduction": "none"},
    ),
    (TypeError, f"{GROUPS_WANTED}, not 3", {"groups": 3}),
    (TypeError, f"{GROUPS_WANTED}, not 'aabb'", {"groups": "aabb"}),
    (TypeError, f"{GROUPS_WANTED}, not b'aabb'", {"groups": b"aabb"}),
    (TypeError, f"{GROUPS_WANTED}, not {{'a': 1}}", {"groups": {"a": 1}}),
    (ValueError, f"{GROUPS_WANTED}, not 2", {"groups": ["a", "b"]}),
    (
        ValueError,
        "groups need as many parts in each term, not 4, 2",
        {"groups": [0, 0, 1, 1], "terms": {"aux": Term(OTHERS, [1, 2])}},
    ),
    (ValueError, f"{EXPECT_WANTED}, not 'mean'", {"expect": "mean"}),
    (
        TypeError,
        "expect must be a sequence of 4 numbers, one per part, not 0.25",
        {"expect": 0.25},
    ),
    (
        ValueError,
        "expect must be a sequence of 4 numbers, one per part, not 2",
        {"expect": [0.5, 0.5]},
    ),
    (
        ValueError,
        "expect must be finite and not all 0, not [0.0, 0.0, 0.0, 0.0]",
        {"expect": [0, 0, 0, 0]},
    ),
    (
        ValueError,
        "expect must be finite and not all 0, not [1.0, nan, 0.0, 0.0]",
        {"expect": [1, float("nan"), 0, 0]},
    ),
    (TypeError, "expect_factor must be a number, not 'two'", {"expect_factor": "two"}),
    (TypeError, "expect_factor must be a number, not '2'", {"expect_factor": "2"}),
    (
        TypeError,
        f"expect_factor must be a number, not {np.complex128(2)!r}",
        {"expect_factor": np.complex128(2)},
    ),
    (TypeError, "expect_factor must be a number, not None", {"expect_factor": None}),
    (
        ValueError,
        "expect_factor must be a number, but is too large for a float",
        {"expect_factor": 10**400},
    ),
    (ValueError, "expect_factor must be finite and not 0, not 0", {"expect_factor": 0.0}),
    (ValueError, "expect_factor must be finite and not 0, not inf", {"expect_factor": np.inf}),
    (
        ValueError,
        "arithmetic must be one of float64, float32, tfloat32, float16, bfloat16, not 'int8'",
        {"arithmetic": "int8"},
    ),
    (TypeError, "also must be a dict keyed by name, not list", {"also": [1, 2, 3, 4]}),
    (
        TypeError,
        "also['sequences'] must be a sequence of 4 numbers, one per part, not 8",
        {"also": {"sequences": 8}},
    ),
    (
        ValueError,
        "also['sequences'] must be a sequence of 4 numbers, one per part, not 2",
        {"also": {"sequences": [1, 2]}},
    ),
    (
        ValueError,
        "also['boxes'] must be finite, at least 0 and not all 0, not [1.0, 2.0, 3.0, -4.0]",
        {"also": {"boxes": [1, 2, 3, -4]}},
    ),
    (TypeError, "terms must be a dict of Term keyed by name, not list", {"terms": [1]}),
    (
        TypeError,
        "terms must have names that are words, not ''",
        {"terms": {"": Term(OTHERS, [1, 2])}},
    ),
    (
        TypeError,
        "terms must have names that are words, not 3",
        {"terms": {3: Term(OTHERS, [1, 2])}},
    ),
    (
        TypeError,
        "terms['aux'] must be a Term, not tuple",
        {"terms": {"aux": (OTHERS, [1, 2])}},
    ),
    (
        ValueError,
        "terms must not hold 'loss', which is the main term's own name",
        {"terms": {"loss": Term(OTHERS, [1, 2])}},
    ),
    (
        ValueError,
        "terms['aux'].counts must be a sequence of 2 numbers, one per part, not 3",
        {"terms": {"aux": Term(OTHERS, [1, 2, 3])}},
    ),
    (
        ValueError,
        "terms['aux'].parts must hold at least one gradient, but it is empty",
        {"terms": {"aux": Term([], [])}},
    ),
    (
        ValueError,
        "terms['aux'].weight must be finite and not 0, not 0",
        {"terms": {"aux": Term(OTHERS, [1, 2], 0.0)}},
    ),
    (
        ValueError,
        "terms['aux'].weight must be finite and not 0, not nan",
        {"terms": {"aux": Term(OTHERS, [1, 2], float("nan"))}},
    ),
]


@pytest.mark.bad_input
@pytest.mark.parametrize(("error", "message", "options"), REFUSED)
def test_bad_input_is_refused_by_name(
    error: type[Exception], message: str, options: dict[str, Any]
) -> None:
    with pytest.raises(error) as caught:
        audit_accumulation(A, PARTS, **{"counts": COUNTS, **options})
    assert (type(caught.value), str(caught.value)) == (error, message)


@pytest.mark.bad_input
def test_one_part_wants_one_number() -> None:
    with pytest.raises(ValueError, match=r"^counts must be a sequence of 1 number, one per part"):
        audit_accumulation(PARTS[0], PARTS[:1], counts=[1, 2])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("accumulated", "message"),
    [
        (PerWorker([]), "accumulated must hold a gradient per worker, but PerWorker is empty"),
        (
            Update(A, {"w": A["w"].copy()}, 0.1),
            "accumulated.after must have the parameter 'b', as accumulated.before has",
        ),
    ],
)
def test_other_forms_of_a_are_refused_by_name(accumulated: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        audit_accumulation(accumulated, PARTS, counts=COUNTS)


def copy_of(gradient: Gradient) -> Gradient:
    return {name: np.array(value) for name, value in gradient.items()}


def made(kind: type, *arguments: Any) -> object:
    """Make what the shape checks would refuse while the tests are collected."""
    return kind(*arguments)


#: What is passed, the argument that an error must name, and the error's kind.
ODD: dict[str, tuple[Callable[[], Any], str, type[Exception], dict[str, Any]]] = {
    "one number per worker": (lambda: made(PerWorker, 3), "accumulated", TypeError, {}),
    "one path per worker": (lambda: PerWorker("step.npz"), "accumulated", TypeError, {}),
    "one dict per worker": (lambda: made(PerWorker, A), "accumulated", TypeError, {}),
    "an update per worker": (
        lambda: PerWorker([Update(A, copy_of(A), 0.1)]),
        "accumulated",
        TypeError,
        {},
    ),
    "a rate in words": (lambda: made(Update, A, copy_of(A), "x"), "learning_rate", TypeError, {}),
    "a rate of 0": (lambda: Update(A, copy_of(A), 0.0), "learning_rate", ValueError, {}),
    "a rate of NaN": (lambda: Update(A, copy_of(A), np.nan), "learning_rate", ValueError, {}),
    "extra in a list": (lambda: A, "extra", TypeError, {"extra": [A]}),
    "groups of lists": (lambda: A, "groups", TypeError, {"groups": [[1], [1], [2], [2]]}),
    "complex counts": (lambda: A, "counts", TypeError, {"counts": np.array([1j, 1, 1, 1])}),
    "an array of one count": (lambda: A, "counts", TypeError, {"counts": np.array(3.0)}),
    "counts that overflow": (lambda: A, "counts", ValueError, {"counts": [1e308] * 4}),
    "a count beyond floats": (lambda: A, "counts", ValueError, {"counts": [10**400, 1, 1, 1]}),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("case", ODD)
def test_whatever_is_wrong_its_argument_is_named(case: str) -> None:
    accumulated, name, error, options = ODD[case]
    with pytest.raises(error, match=rf"^\S*{name}\b.* must "):
        audit_accumulation(accumulated(), PARTS, **{"counts": COUNTS, **options})


@pytest.mark.bad_input
def test_a_term_s_weight_must_be_a_number() -> None:
    term = Term(OTHERS, [1, 2], "much")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^terms\['aux'\]\.weight must be a number, not 'much'$"):
        audit_accumulation(A, PARTS, counts=COUNTS, terms={"aux": term})


# What is taken


@pytest.mark.parametrize(
    "given",
    [
        tuple,
        np.array,
        lambda counts: np.array(counts, np.float32),
        lambda counts: np.array(counts, int),
        lambda counts: [np.int64(c) for c in counts],
        lambda counts: [np.array(c) for c in counts],
        lambda counts: (c for c in counts),
        lambda counts: dict.fromkeys(counts).keys(),
    ],
)
def test_counts_are_any_numbers_in_order(given: Callable[[list[float]], Any]) -> None:
    assert checked_counts("counts", given(COUNTS), 4).tolist() == COUNTS


def test_numbers_may_be_negative_but_counts_not() -> None:
    assert numbers("expect", [1, -2], 2).tolist() == [1, -2]
    assert checked_counts("counts", [0, 2], 2).tolist() == [0, 2]


def test_a_count_may_be_as_large_as_a_float_can_count() -> None:
    assert checked_counts("counts", [1e15, 1], 2).tolist() == [1e15, 1]


def test_no_terms_are_no_terms() -> None:
    assert checked_terms(None) == checked_terms({}) == {}


def table(**options: Any) -> Any:
    given: dict[str, Any] = {
        "sizes": (4,),
        "counts": COUNTS,
        "terms": {},
        "groups": None,
        "also": None,
        "expect": "target",
        "means": True,
    }
    given |= options
    return parts_table(given.pop("sizes"), **given)


def test_the_table_says_what_the_main_term_should_weigh() -> None:
    parts = table()
    assert parts.expected == pytest.approx(RIGHT)
    assert parts.slack == pytest.approx(1e-9 * RIGHT)
    assert (parts.known, parts.intended, parts.means) == (True, "target", True)
    assert parts.counts.tolist() == COUNTS
    assert (parts.groups, parts.also, parts.terms, parts.unweighted) == (None, {}, (), frozenset())


@pytest.mark.parametrize(
    ("expect", "counts", "expected", "known", "intended"),
    [
        ("target", None, [0.25] * 4, False, "target"),
        ("part", None, [0.25] * 4, True, "part"),
        ("part", COUNTS, [0.25] * 4, True, "part"),
        ([0.4, 0.3, 0.2, 0.0], COUNTS, [0.4, 0.3, 0.2, 0.0], True, "given"),
        ((4, -3, 2, 1), None, [4, -3, 2, 1], True, "given"),
    ],
)
def test_another_mean_may_be_intended(
    expect: object, counts: object, expected: list[float], intended: str, *, known: bool
) -> None:
    parts = table(expect=expect, counts=counts)
    assert parts.expected.tolist() == expected
    assert parts.slack == pytest.approx(1e-9 * np.abs(expected))
    assert (parts.known, parts.intended) == (known, intended)
    assert (parts.counts is None) is (counts is None)


def test_terms_follow_the_main_term_each_with_its_weight() -> None:
    terms = {"aux": Term(OTHERS, [1, 3], 0.5), "kl": Term(OTHERS, [2, 2])}
    parts = table(sizes=(4, 2, 2), terms=terms)
    assert parts.expected == pytest.approx([*RIGHT, 0.125, 0.375, 0.5, 0.5])
    assert parts.counts.tolist() == [*COUNTS, 1, 3, 2, 2]
    assert parts.terms == ("loss",) * 4 + ("aux",) * 2 + ("kl",) * 2
    assert parts.unweighted == {"kl"}


def test_groups_serve_every_term_and_other_counts_the_main_one() -> None:
    terms = {"aux": Term(random_parts(4), [1, 2, 3, 4])}
    parts = table(sizes=(4, 4), terms=terms, groups=iter("aabb"), also={"sequences": [2, 1, 1, 1]})
    assert parts.groups == tuple("aabbaabb")
    assert parts.also["sequences"][:4].tolist() == [2, 1, 1, 1]
    assert np.isnan(parts.also["sequences"][4:]).all()


def test_a_mean_that_is_intended_is_no_error_and_the_report_says_by_what_it_judged() -> None:
    alike = weighted([0.25] * 4, PARTS)
    report = audit_accumulation(alike, PARTS, counts=COUNTS, expect="part")
    assert (report.ok, report.intended) == (True, "part")
    assert report.claim == "A weighs every part alike, as expected."
    assert "Judged by every part alike, as you asked." in str(report)
    report = audit_accumulation(A, PARTS, counts=COUNTS, expect="part")
    assert (report.ok, report.verdict) == (False, Verdict.REWEIGHTED)
    given = [0.4, 0.3, 0.2, 0.1]
    report = audit_accumulation(weighted(given, PARTS), PARTS, expect=given)
    assert (report.ok, report.claim) == (True, "A has the weights you gave.")
    assert "Judged by the weights you gave." in str(report)
    report = audit_accumulation(A, PARTS, counts=COUNTS)
    assert (report.intended, "Judged" in str(report)) == ("target", False)


def test_parts_that_are_said_to_be_sums_are_judged_as_sums() -> None:
    sums = [{k: n * v for k, v in part.items()} for part, n in zip(PARTS, COUNTS, strict=True)]
    mean = weighted([1 / 135] * 4, sums)
    report = audit_accumulation(mean, sums, counts=COUNTS, reduction="sum")
    assert (report.ok, report.verdict) == (True, Verdict.EXACT)
    alike = weighted([1 / n / 4 for n in COUNTS], sums)
    report = audit_accumulation(alike, sums, counts=COUNTS, reduction="sum")
    assert report.verdict is Verdict.MEAN_OF_MEANS
    assert report.weights == pytest.approx([0.25] * 4)
    whole = weighted([1.0] * 4, sums)
    report = audit_accumulation(whole, sums, counts=COUNTS, reduction="sum")
    assert report.verdict is Verdict.RESCALED
    assert report.factor == pytest.approx(135)
