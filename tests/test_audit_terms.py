"""Further terms of the loss: each with counts of its own, and judged by itself."""

import numpy as np
import numpy.typing as npt
import pytest
from audits import COUNTS, RIGHT, Gradient, plus, random_parts, times, weighted

from gradexplain import Report, Term, Verdict, audit_accumulation

PARTS = random_parts()
AUX = random_parts(4, seed=11)
SEQUENCES = np.array([2.0, 1.0, 4.0, 3.0])
SHARES = SEQUENCES / SEQUENCES.sum()
WEIGHT = 0.25  # that the auxiliary term is meant to have


def loss(main: npt.ArrayLike, aux: npt.ArrayLike) -> Gradient:
    return plus(weighted(np.asarray(main), PARTS), weighted(np.asarray(aux), AUX))


def audited(
    main: npt.ArrayLike, aux: npt.ArrayLike, weight: float | None = WEIGHT, **options: object
) -> Report:
    terms = {"aux": Term(AUX, SEQUENCES.tolist(), weight)}
    A = loss(main, aux)
    return audit_accumulation(A, PARTS, counts=COUNTS, terms=terms, **options)  # type: ignore[arg-type]


def test_each_term_by_its_own_counts_is_exact() -> None:
    report = audited(RIGHT, WEIGHT * SHARES)
    assert (report.verdict, report.ok) == (Verdict.EXACT, True)
    assert report.claim == "Each term is exact: loss and aux."
    assert report.weights == pytest.approx([*RIGHT, *(WEIGHT * SHARES)])
    assert report.expected == pytest.approx([*RIGHT, *(WEIGHT * SHARES)])
    assert [(part.term, part.index) for part in report.parts] == [
        *(("loss", k) for k in range(4)),
        *(("aux", k) for k in range(4)),
    ]
    assert [part.count for part in report.parts] == [*COUNTS, *SEQUENCES]
    assert [name for name, _, _ in report.terms] == ["loss", "aux"]


def test_a_term_that_counts_more_than_it_should_is_named_and_the_others_are_exact() -> None:
    report = audited(RIGHT, 4 * WEIGHT * SHARES)
    assert (report.verdict, report.ok) == (Verdict.RESCALED, False)
    assert report.claim == "Aux counts 4 times as much as it should; loss is exact."
    assert report.factor == pytest.approx(4)
    assert {name: verdict for name, verdict, _ in report.terms} == {
        "loss": Verdict.EXACT,
        "aux": Verdict.RESCALED,
    }
    assert "aux: K = 4: summed over the parts" in " ".join(report.notes)


def test_without_a_weight_a_common_factor_of_a_term_passes_and_is_printed() -> None:
    report = audited(RIGHT, 0.37 * SHARES, weight=None)
    assert (report.verdict, report.ok) == (Verdict.EXACT, True)
    assert (
        "The factor, 0.37, is not judged" in {name: claim for name, _, claim in report.terms}["aux"]
    )
    assert report.expected[4:] == pytest.approx(SHARES)


def test_without_a_weight_proportions_are_still_judged() -> None:
    report = audited(RIGHT, 0.37 * np.ones(4) / 4, weight=None)
    assert (report.verdict, report.ok) == (Verdict.MEAN_OF_MEANS, False)
    assert report.claim == "Aux is a mean of means; loss is exact."


def test_a_term_that_is_missing_is_said_to_be() -> None:
    for weight in (WEIGHT, None):
        report = audited(RIGHT, np.zeros(4), weight=weight)
        assert (report.verdict, report.ok) == (Verdict.DROPPED, False)
        assert report.claim == "Aux is missing; loss is exact."


def test_a_small_term_without_a_weight_is_missing_only_where_arithmetic_is_fine() -> None:
    for dtype, factor, ok in [
        ("float32", 1e-4, True),
        ("float32", 0.0, False),
        ("float16", 1e-4, None),
        ("float16", 0.0, None),
    ]:
        A = loss(RIGHT, factor * SHARES)
        parts, aux, (total,) = (
            [{name: np.asarray(g, dtype) for name, g in each.items()} for each in gradients]
            for gradients in (PARTS, AUX, [A])
        )
        terms = {"aux": Term(aux, SEQUENCES.tolist())}
        report = audit_accumulation(total, parts, counts=COUNTS, terms=terms)
        assert report.ok is ok, (dtype, factor)
    assert report.claim == "Aux is ambiguous; loss is exact."
    assert "The term is missing, or its factor is too small to be read." in str(report)


def test_the_full_gradient_may_hold_a_term_of_any_weight_where_none_is_given() -> None:
    full = loss(RIGHT, 0.01 * SHARES)
    assert audited(RIGHT, 0.01 * SHARES, weight=None, full=full).ok
    wrong = audited(4 * RIGHT, 0.01 * SHARES, weight=None, full=full)
    assert wrong.claim == "Loss counts 4 times as much as it should; aux is exact."
    skewed = loss(RIGHT, [0.02, 0.01, 0.01, 0.01])
    report = audited(RIGHT, 0.01 * SHARES, weight=None, full=skewed)
    assert report.verdict is Verdict.COUNTS_DIFFER
    gone = loss(RIGHT, 0 * SHARES)
    missing = audited(RIGHT, 0 * SHARES, weight=None, full=gone)
    assert missing.claim == "Aux is missing; loss is exact."


def test_the_main_term_may_be_the_wrong_one() -> None:
    report = audited(np.ones(4) / 4, WEIGHT * SHARES)
    assert report.verdict is Verdict.MEAN_OF_MEANS
    assert report.claim == "Loss is a mean of means; aux is exact."


def test_two_terms_may_be_wrong() -> None:
    report = audited(4 * RIGHT, 4 * WEIGHT * SHARES)
    assert report.claim == (
        "Loss counts 4 times as much as it should and aux counts 4 times as much as it should."
    )


def test_terms_are_named_in_the_table_the_lines_and_their_notes() -> None:
    report = audited(RIGHT * [1, 0, 1, 1], WEIGHT * SHARES)
    assert "loss: dropped. It lacks loss[1];" in " ".join(str(report).split())
    assert "aux: exact." in str(report)
    assert " aux 3          3      0.075      0.075               1\n" in str(report)
    assert max(map(len, str(report).splitlines())) <= 76


def test_terms_may_have_other_numbers_of_parts() -> None:
    terms = {"kl": Term(AUX[:2], [3, 1], 2.0), "box": Term(AUX[2:3], [5])}
    A = plus(weighted(RIGHT, PARTS), weighted([1.5, 0.5, 0.3], AUX[:3]))
    report = audit_accumulation(A, PARTS, counts=COUNTS, terms=terms)
    assert (report.verdict, report.ok) == (Verdict.EXACT, True)
    assert report.claim == "Each term is exact: loss, kl and box."
    assert [part.term for part in report.parts] == ["loss"] * 4 + ["kl"] * 2 + ["box"]


def test_one_part_without_a_weight_shows_at_least_that_the_term_is_there() -> None:
    terms = {"box": Term(AUX[2:3], [5])}
    A = weighted(RIGHT, PARTS)
    report = audit_accumulation(A, PARTS, counts=COUNTS, terms=terms)
    assert report.claim == "Box is missing; loss is exact."


def test_something_outside_both_terms_is_unexplained() -> None:
    A = plus(loss(RIGHT, WEIGHT * SHARES), random_parts(1, seed=9)[0])
    terms = {"aux": Term(AUX, SEQUENCES.tolist(), WEIGHT)}
    report = audit_accumulation(A, PARTS, counts=COUNTS, terms=terms)
    assert report.verdict is Verdict.UNEXPLAINED
    assert report.ok is False


THETA = random_parts(1, seed=9)[0]


def decayed(rate: float, main: npt.ArrayLike = RIGHT, *, known: bool = True) -> Report:
    A = plus(loss(main, WEIGHT * SHARES), THETA, rate)
    terms = {"aux": Term(AUX, SEQUENCES.tolist(), WEIGHT)}
    theta = THETA if known else random_parts(1, seed=10)[0]
    return audit_accumulation(A, PARTS, counts=COUNTS, terms=terms, extra={"theta": theta})


def test_an_extra_column_explains_what_lies_outside_both_terms() -> None:
    report = decayed(0.05)
    assert (report.verdict, report.ok) == (Verdict.EXTRA_TERM, False)
    assert report.claim == (
        "Apart from the extra columns, A is the mean gradient; it holds 0.05 × extra['theta']."
    )
    assert report.weights == pytest.approx([*RIGHT, *(WEIGHT * SHARES)])
    assert decayed(0.05, np.ones(4) / 4).verdict is Verdict.EXTRA_TERM


def test_an_extra_column_that_explains_nothing_leaves_the_terms_as_they_are() -> None:
    assert decayed(0.0).claim == "Each term is exact: loss and aux."
    assert decayed(0.0, np.ones(4) / 4).claim == "Loss is a mean of means; aux is exact."
    assert decayed(0.05, known=False).verdict is Verdict.UNEXPLAINED


def test_an_extra_column_may_explain_a_single_parameter_beside_both_terms() -> None:
    A = loss(RIGHT, WEIGHT * SHARES)
    A["b"] = A["b"] + 0.05 * THETA["b"]
    terms = {"aux": Term(AUX, SEQUENCES.tolist(), WEIGHT)}
    report = audit_accumulation(A, PARTS, counts=COUNTS, terms=terms, extra={"theta": THETA})
    assert report.verdict is Verdict.EXTRA_TERM
    assert "0.05 × extra['theta']" in dict(report.parameters)["b"]


def test_terms_as_sums_are_divided_by_their_own_counts() -> None:
    sums = [times(part, n) for part, n in zip(PARTS, COUNTS, strict=True)]
    others = [times(part, n) for part, n in zip(AUX, SEQUENCES, strict=True)]
    terms = {"aux": Term(others, SEQUENCES.tolist(), WEIGHT)}
    A = loss(RIGHT, WEIGHT * SHARES)
    report = audit_accumulation(A, sums, counts=COUNTS, terms=terms, reduction="sum")
    assert report.ok is True


def test_groups_and_other_counts_explain_a_term() -> None:
    alike = np.array([2 / 3 / 2, 1 / 3 / 2, 4 / 7 / 2, 3 / 7 / 2])
    report = audited(RIGHT, WEIGHT * alike, groups=[0, 0, 1, 1])
    assert report.claim.startswith("Aux is a mean of means across groups")
    boxes = np.array([3.0, 1.0, 1.0, 2.0])
    report = audited(boxes / 7, WEIGHT * SHARES, also={"boxes": boxes.tolist()})
    assert "loss: They are in proportion to boxes." in report.notes


def test_the_full_gradient_of_all_terms_is_compared_too() -> None:
    F = loss(RIGHT, WEIGHT * SHARES)
    report = audited(RIGHT, WEIGHT * SHARES, full=F)
    assert (report.verdict, report.ok) == (Verdict.EXACT, True)
    assert report.relative_error == pytest.approx(0, abs=1e-12)


def test_how_far_a_is_from_the_expected_mean_is_unknown_without_a_term_s_weight() -> None:
    assert audited(RIGHT, SHARES, weight=None).relative_error is None
    assert audited(RIGHT, WEIGHT * SHARES).relative_error == pytest.approx(0, abs=1e-12)
