"""The order of the decision, a mistake beside a remainder, and weights known without gradients."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from audits import ALIKE, COUNTS, PARTS, RIGHT, Gradient, plus, random_parts, times, weighted
from cases import evidence_of, known_case

from gradexplain import Report, Verdict, audit_accumulation, sketch
from gradexplain.audit.judge import Case, Parts, Weights, decide, directly_read
from gradexplain.audit.judge.case import OPEN, Finding, note
from gradexplain.audit.judge.decide import ORDER

K = len(PARTS)


def without(k: int) -> npt.NDArray[np.float64]:
    return np.where(np.arange(K) == k, 0, RIGHT)


def test_every_step_of_the_order_is_a_function_of_the_case() -> None:
    assert [step.__name__ for step in ORDER] == [
        "_no_targets",
        "_all_zero",
        "_not_reproducible",
        "_workers_disagree",
        "_against_full",
        "_too_few_numbers",
        "_by_term",
        "_exact",
        "_sums",
        "_outside",
        "_nothing_left",
        "_up_to_a_factor",
        "_dropped",
        "_near",
        "_uncertain",
        "_reweighted",
    ]
    assert all(step.__doc__ for step in ORDER)


NAMED = {
    Verdict.EXACT: RIGHT,
    Verdict.RESCALED: K * RIGHT,
    Verdict.MEAN_OF_MEANS: ALIKE,
    Verdict.DROPPED: without(1),
    Verdict.REWEIGHTED: np.array([0.4, 0.3, 0.2, 0.1]),
    Verdict.PARTS_ARE_SUMS: np.ones(K) / 135,
}


@pytest.mark.parametrize("verdict", NAMED)
def test_sketches_give_the_same_verdicts_where_a_is_in_the_span(verdict: Verdict) -> None:
    sketches = [sketch(part) for part in PARTS]
    report = audit_accumulation(sketch(weighted(NAMED[verdict], PARTS)), sketches, counts=COUNTS)
    assert report.verdict is verdict
    assert report.head.endswith(", sketched")
    assert report.weights == pytest.approx(NAMED[verdict], abs=1e-7)


@pytest.mark.parametrize("verdict", NAMED)
def test_weights_that_are_known_directly_need_no_gradients(verdict: Verdict) -> None:
    found = decide(known_case(NAMED[verdict], RIGHT, counts=np.array(COUNTS)))
    assert found.verdict is verdict
    assert found.ok is {Verdict.EXACT: True, Verdict.PARTS_ARE_SUMS: None}.get(verdict, False)


def test_a_weight_that_could_not_be_read_directly_stays_open() -> None:
    unread = np.array([False, True, False, False])
    case = Case(directly_read(RIGHT, 2.0**-24, unread), Parts(RIGHT, 1e-9 * RIGHT))
    found = decide(case)
    assert (found.verdict, found.ok) == (Verdict.AMBIGUOUS, None)


def test_a_finding_knows_whether_the_step_is_right() -> None:
    for verdict in Verdict:
        found = Finding(verdict, note("exact"))
        assert found.ok is (
            True if verdict is Verdict.EXACT else None if verdict in OPEN else False
        )
    assert Finding(Verdict.COUNTS_DIFFER, note("exact"), conclusive=False).ok is None
    more = Finding(Verdict.EXACT, note("exact"), notes=(note("a"),)).with_notes(note("b"))
    assert [each.kind for each in more.notes] == ["a", "b"]


# Parts that are gradients of sums


def test_parts_that_fit_only_as_sums_are_asked_about_first() -> None:
    """The loop is right if its parts are gradients of sums: every weight is 1/n."""
    sums = [times(part, n) for part, n in zip(PARTS, COUNTS, strict=True)]
    report = audit_accumulation(weighted([1 / 135] * K, sums), sums, counts=COUNTS)
    assert (report.verdict, report.ok) == (Verdict.PARTS_ARE_SUMS, None)
    assert report.claim == (
        "Every part weighs 1/n = 1/135. If the parts are gradients of sums, A is right: pass "
        'reduction="sum". If they are gradients of means, A is their sum over n.'
    )
    assert report.to_do == 'Pass reduction="sum" if the parts are gradients of sums.'
    said = audit_accumulation(weighted([1 / 135] * K, sums), sums, counts=COUNTS, reduction="sum")
    assert said.ok is True


def test_sums_are_not_asked_about_where_the_parts_are_said_to_be_sums_or_alike() -> None:
    weights = np.ones(K) / 135
    for known in ({"means": False}, {"intended": "part"}):
        found = decide(known_case(weights, RIGHT, counts=np.array(COUNTS), **known))
        assert found.verdict is Verdict.MEAN_OF_MEANS
    assert decide(known_case(weights, RIGHT)).verdict is Verdict.MEAN_OF_MEANS


# A mistake beside a remainder


SINGLE = random_parts(dtype=np.float32)
NOISE = random_parts(1, seed=9)[0]


def length(gradient: Gradient) -> float:
    return float(np.sqrt(sum(np.sum(np.square(v, dtype=np.float64)) for v in gradient.values())))


def noisy(weights: npt.ArrayLike, share: float) -> Gradient:
    """Return a float32 sum with so much of the mean gradient's length that no weights give."""
    mean = weighted(RIGHT, PARTS)
    A = plus(weighted(np.asarray(weights), PARTS), NOISE, share * length(mean) / length(NOISE))
    return {name: np.asarray(value, np.float32) for name, value in A.items()}


def single(weights: npt.ArrayLike, share: float, **options: Any) -> Report:
    return audit_accumulation(noisy(weights, share), SINGLE, counts=COUNTS, **options)


@pytest.mark.parametrize(
    ("weights", "verdict", "claim"),
    [
        (RIGHT / 2, Verdict.RESCALED, "A is the mean gradient, times 0."),
        (ALIKE, Verdict.MEAN_OF_MEANS, "A weighs every part alike"),
        (without(1), Verdict.DROPPED, "A lacks parts[1];"),
        (RIGHT * [1, 0.5, 1, 1], Verdict.REWEIGHTED, "A is a weighted sum of the parts, but"),
    ],
)
@pytest.mark.parametrize("share", [1e-4, 1e-3, 1e-2])
def test_a_mistake_with_ten_times_the_effect_of_the_remainder_is_named(
    weights: npt.ArrayLike, verdict: Verdict, claim: str, share: float
) -> None:
    report = single(weights, share)
    assert (report.verdict, report.ok) == (verdict, False)
    assert report.claim.startswith(claim)
    remainder, arithmetic = report.notes[-2:]
    assert remainder.startswith("In addition, ")
    assert remainder.endswith("% of A is not a weighted sum of the parts.")
    assert "bfloat16" in arithmetic
    assert arithmetic.endswith(" would leave as much.")


@pytest.mark.parametrize(("share", "named"), [(0.09, True), (0.11, False)])
def test_a_mistake_with_less_than_ten_times_the_effect_is_not(share: float, *, named: bool) -> None:
    """Doubled, the mean gradient is off by its own length."""
    counts = [10, 40, 30, 20]
    mean = weighted(np.array(counts) / 100, PARTS)
    A = plus(times(mean, 2.0), NOISE, share * length(mean) / length(NOISE))
    report = audit_accumulation(A, PARTS, counts=counts)
    assert report.verdict is (Verdict.RESCALED if named else Verdict.UNEXPLAINED)
    assert any(text.startswith("In addition") for text in report.notes) is named
    assert not any("would leave as much" in text for text in report.notes)  # in float64


@pytest.mark.parametrize(
    ("share", "types"),
    [
        (3e-4, "tfloat32, float16 or bfloat16"),
        (1e-2, "bfloat16"),
    ],
)
def test_a_remainder_the_size_of_coarser_arithmetic_leads_to_the_question(
    share: float, types: str
) -> None:
    report = single(RIGHT, share)
    assert (report.verdict, report.ok) == (Verdict.AMBIGUOUS, None)
    assert "of A is not a weighted sum of the parts, " in report.claim
    assert f"which is no more than rounding in {types} leaves." in report.claim
    assert "Update(before, after, learning_rate)" in report.claim
    assert report.claim.endswith('If neither, pass arithmetic="float32".')
    assert report.to_do == "Say which arithmetic was used, with the option named above."
    assert report.notes == ("The share of A that the parts explain has the expected weights.",)
    assert single(RIGHT, share, arithmetic="bfloat16").verdict is Verdict.EXACT
    assert single(RIGHT, share, arithmetic="float32").verdict is Verdict.UNEXPLAINED


def test_a_remainder_that_no_arithmetic_leaves_is_unexplained() -> None:
    report = single(RIGHT, 0.1)
    assert (report.verdict, report.ok) == (Verdict.UNEXPLAINED, False)


def test_a_small_mistake_beside_a_remainder_is_asked_about_not_named() -> None:
    report = single(RIGHT * 1.004, 1e-3)
    assert (report.verdict, report.ok) == (Verdict.AMBIGUOUS, None)
    assert report.claim.startswith("0.0")
    assert report.notes == ()


def test_in_double_precision_no_coarser_arithmetic_is_suspected() -> None:
    A = plus(weighted(RIGHT, PARTS), NOISE, 1e-3 * length(PARTS[0]) / length(NOISE))
    report = audit_accumulation(A, PARTS, counts=COUNTS)
    assert report.verdict is Verdict.UNEXPLAINED


# Nothing left, and little


def test_weights_of_zero_are_nothing() -> None:
    found = decide(known_case(np.zeros(K), RIGHT))
    assert (found.verdict, found.factor, found.claim.kind) == (Verdict.DROPPED, 0.0, "nothing")


def odd(**known: Any) -> Case:
    """Return a mean gradient of which gradients show something odd."""
    hidden = np.zeros(K, bool)
    case = known_case(RIGHT, RIGHT, counts=np.array(COUNTS))
    return Case(case.weights, case.parts, evidence_of(hidden, **known))


@pytest.mark.parametrize(
    ("known", "verdict", "kind"),
    [
        ({}, Verdict.EXACT, "exact"),
        ({"repeat": 0.1}, Verdict.NOT_REPRODUCIBLE, "repeat"),
        ({"disagree": True}, Verdict.WORKERS_DISAGREE, "workers disagree"),
        ({"repeat": 0.1, "disagree": True}, Verdict.NOT_REPRODUCIBLE, "repeat"),
        ({"enough": False}, Verdict.AMBIGUOUS, "too few numbers"),
        ({"disagree": True, "enough": False}, Verdict.WORKERS_DISAGREE, "workers disagree"),
        ({"outside": 1.1}, Verdict.UNEXPLAINED, "unexplained"),
        ({"outside": 1.1, "plausible": ("float16",)}, Verdict.AMBIGUOUS, "arithmetic"),
        ({"outside": 1.1, "hidden_fit": True}, Verdict.AMBIGUOUS, "hidden"),
        ({"outside": 0.9, "plausible": ("float16",)}, Verdict.EXACT, "exact"),
        ({"outside": 1.1, "enough": False}, Verdict.AMBIGUOUS, "too few numbers"),
    ],
)
def test_the_first_step_with_something_to_say_decides(
    known: dict[str, Any], verdict: Verdict, kind: str
) -> None:
    found = decide(odd(**known))
    assert (found.verdict, found.claim.kind) == (verdict, kind)


@pytest.mark.parametrize(("effect", "named"), [(21.0, True), (19.0, False)])
def test_ten_times_is_counted_in_units_of_what_lies_outside(effect: float, *, named: bool) -> None:
    """What lies outside is 2 here, in the metric of the weights, and rounding explains 1."""
    metric = np.eye(K) * (effect / np.linalg.norm(RIGHT)) ** 2
    read = Weights(2 * RIGHT, np.zeros(K), 1e-6, metric)
    hidden = np.zeros(K, bool)
    evidence = evidence_of(hidden, outside=2.0, share=0.05, plausible=("bfloat16",))
    found = decide(Case(read, Parts(RIGHT, 1e-9 * RIGHT), evidence))
    if named:
        assert found.verdict is Verdict.RESCALED
        assert found.factor == pytest.approx(2)
        assert found.notes[-2:] == (
            note("remainder", share=0.05),
            note("remainder arithmetic", types=("bfloat16",)),
        )
    else:
        assert (found.verdict, found.claim.kind) == (Verdict.AMBIGUOUS, "arithmetic")
        assert dict(found.claim.facts) == {"share": 0.05, "types": ("bfloat16",)}
        assert found.notes == ()


def found_of(values: npt.ArrayLike, unread: list[int] | None = None, **parts: Any) -> Finding:
    """Decide on weights that were read where the loss hands them out, some of them unread."""
    expected = np.asarray(parts.pop("expected", RIGHT), float)
    lost = np.isin(np.arange(len(expected)), unread or [])
    read = directly_read(np.asarray(values, float), 2.0**-24, lost)
    parts.setdefault("counts", np.array(COUNTS)[: len(expected)])
    return decide(Case(read, Parts(expected, 1e-9 * np.abs(expected), **parts)))


def test_findings_say_what_they_rest_on() -> None:
    exact = found_of(RIGHT)
    assert (exact.claim, exact.notes) == (note("exact", intended="target"), ())
    sums = found_of(np.ones(K) / 135)
    assert sums.claim == note("sums", n=135.0)
    alike = found_of(3 * ALIKE)
    assert alike.claim.facts["weighting"] == "alike"
    assert [alike.claim.facts["factor"], alike.factor] == pytest.approx([3, 3])
    gone = found_of(without(3))
    assert dict(gone.claim.facts) == {
        "parts": (3,),
        "weighting": "expected",
        "factor": 1.0,
        "renormalized": False,
    }
    assert (gone.factor, gone.notes) == (1.0, ())
    rest = found_of(without(3) / without(3).sum())
    assert rest.claim.facts["renormalized"]
    assert rest.notes == ()
    last = found_of(np.where(np.arange(K) == 3, 8 * RIGHT, 0))
    assert [each.kind for each in last.notes] == ["only the last"]
    assert last.factor == pytest.approx(8)


def test_equal_counts_are_noted_only_where_targets_are_meant_to_count_alike() -> None:
    for intended, noted in [("target", True), ("full", True), ("part", False), ("given", False)]:
        found = found_of(ALIKE, expected=ALIKE, counts=np.full(K, 7.0), intended=intended)
        assert found.verdict is Verdict.EXACT
        assert [each.kind for each in found.notes] == (["equal counts"] if noted else [])


def test_one_part_is_no_mean_unless_its_weight_is_known_or_free() -> None:
    one = np.ones(1)
    gradients = evidence_of(np.zeros(1, bool))
    known = known_case(one, one)
    assert decide(known).verdict is Verdict.EXACT
    fitted = decide(replace(known, evidence=gradients))
    assert (fitted.verdict, [each.kind for each in fitted.notes]) == (
        Verdict.AMBIGUOUS,
        ["also any mean"],
    )
    free = known_case(one, one, unweighted=frozenset({"aux"}))
    assert decide(replace(free, evidence=gradients)).verdict is Verdict.EXACT


@pytest.mark.parametrize(
    ("unread", "verdict", "kinds"),
    [
        ([3], Verdict.RESCALED, ["but unread"]),  # 4 % of all
        ([1], Verdict.AMBIGUOUS, []),  # two thirds
    ],
)
def test_an_uncommon_factor_needs_most_of_the_weights(
    unread: list[int], verdict: Verdict, kinds: list[str]
) -> None:
    found = found_of(0.37 * RIGHT, unread)
    assert found.verdict is verdict
    if kinds:
        assert [each.kind for each in found.notes] == kinds
        assert found.notes[0].facts["parts"] == (3,)


def test_weights_that_are_neither_are_reweighted_with_what_could_not_be_read() -> None:
    found = found_of([0.41, 0.29, 0.19, 0.11], [3])
    assert (found.verdict, found.claim) == (Verdict.REWEIGHTED, note("reweighted"))
    assert found.notes == (note("but unread", parts=(3,)),)
    lost = found_of([0.41, 0.29, 0.19, 0.11], [0, 2])
    assert (lost.verdict, lost.claim) == (Verdict.AMBIGUOUS, note("uncertain", parts=(0, 2)))


def test_too_few_numbers_are_noted_with_what_agrees() -> None:
    right = odd(enough=False, rank=4, spread=12)
    found = decide(right)
    assert found.claim == note("too few numbers", rank=4, spread=12)
    assert found.notes == (note("consistent"),)
    wrong = Case(directly_read(2 * RIGHT, 2.0**-24, np.zeros(K, bool)), right.parts, right.evidence)
    assert decide(wrong).notes == ()
