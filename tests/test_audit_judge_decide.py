"""The order of the decision, and what lies beside its steps."""

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


def test_every_step_of_the_order_is_a_function_of_the_case() -> None:
    assert [step.__name__ for step in ORDER] == [
        "_all_zero",
        "_irreproducible",
        "against_full",
        "_crowded",
        "_exact",
        "_outside",
        "_nothing_left",
        "_up_to_a_factor",
        "_blurred",
        "_dropped",
        "_reweighted",
    ]


def test_sketches_give_the_same_verdicts_where_a_is_in_the_span() -> None:
    cases = {
        Verdict.EXACT: RIGHT,
        Verdict.RESCALED: K * RIGHT,
        Verdict.MEAN_OF_MEANS: ALIKE,
        Verdict.DROPPED: without(1),
        Verdict.REWEIGHTED: np.array([0.4, 0.3, 0.2, 0.1]),
    }
    sketches = [sketch(part) for part in PARTS]
    for verdict, weights in cases.items():
        report = audit_accumulation(sketch(weighted(weights, PARTS)), sketches, counts=COUNTS)
        assert report.verdict is verdict
        assert report.sketched
        assert report.weights == pytest.approx(weights, abs=1e-7)


def without(k: int, weights: npt.NDArray[np.float64] = RIGHT) -> npt.NDArray[np.float64]:
    rest = weights.copy()
    rest[k] = 0
    return rest


def test_sums_handed_in_as_parts_are_asked_after() -> None:
    """The loop is right, but its parts are gradients of sums: every weight is 1/n."""
    sums = [times(part, n) for part, n in zip(PARTS, COUNTS, strict=True)]
    report = audit_accumulation(weighted([1 / 135] * K, sums), sums, counts=COUNTS)
    assert report.verdict is Verdict.MEAN_OF_MEANS
    assert any("sums, not means; then A may well be right" in note for note in report.notes)
