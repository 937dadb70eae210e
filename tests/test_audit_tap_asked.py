"""Factors of terms that were given no weight: which are asked about, and how."""

from typing import Any

import numpy as np
import pytest

from gradexplain.audit.judge.case import Case, Finding, Parts, Verdict, note
from gradexplain.audit.judge.weights import directly_read
from gradexplain.audit.tap.asked import _alike, divided_twice, only_tapped
from gradexplain.audit.tap.rows import Row

WEIGHTS = np.array([0.5, 0.5])


def row(term: str, batch: int, **known: Any) -> Row:
    plain: dict[str, Any] = {"worker": 0, "value": 0.5, "read": 0.5, "count": 4.0, "weight": None}
    return Row(term=term, batch=batch, unit=2.0**-24, **(plain | known))


def case_without_weights(*terms: str, intended: str = "target") -> Case:
    parts = Parts(WEIGHTS, 0 * WEIGHTS, unweighted=frozenset(terms), intended=intended)
    return Case(directly_read(WEIGHTS, 0.0, np.zeros(2, bool)), parts)


def exact(**factors: float) -> Finding:
    """Return what is said of terms that are exact, up to these factors."""
    terms = {
        name.replace("_", "-"): Finding(Verdict.EXACT, note("proportions only", factor=factor))
        for name, factor in factors.items()
    }
    return Finding(Verdict.EXACT, note("exact"), terms=tuple(terms.items()))


def asked(rows: list[Row], **factors: float) -> Finding | None:
    said = exact(**factors)
    return divided_twice(rows, case_without_weights(*(name for name, _ in said.terms)), said)


def facts(found: Finding | None) -> dict[str, Any]:
    assert found is not None
    assert (found.verdict, found.claim.kind) == (Verdict.AMBIGUOUS, "divided twice?")
    return dict(found.claim.facts)


FOUR = [row("loss", k) for k in range(4)]
BOTH = [*FOUR, *(row("aux", k) for k in range(4, 8))]


@pytest.mark.parametrize(
    ("factor", "times", "said"),
    [(0.25, "1/4 of", "divided twice"), (4.0, "4 times", "is a division missing")],
)
def test_a_factor_that_loops_make_is_asked_about(factor: float, times: str, said: str) -> None:
    found = asked(BOTH, loss=factor, aux=factor)
    assert found is not None
    assert found.factor == factor
    assert [name for name, _ in found.terms] == ["loss", "aux"]
    assert facts(found) == {
        "term": "Every term",
        "times": times,
        "there": "4 micro-batches",
        "asked": said,
    }


def test_workers_are_counted_too() -> None:
    rows = [row("loss", 0, worker=w) for w in range(2)]
    assert facts(asked(rows, loss=0.5))["there"] == "1 micro-batch on each of 2 workers"
    rows += [row("loss", 1, worker=w) for w in range(2)]
    found = asked(rows, loss=0.25)
    assert facts(found)["there"] == "2 micro-batches on each of 2 workers"
    assert facts(found)["times"] == "1/4 of"


def test_factors_that_no_loop_makes_or_that_leave_one_term_right_are_not() -> None:
    assert asked(BOTH, loss=0.3, aux=0.3) is None
    assert asked(BOTH, loss=0.25, aux=1.0) is None
    said = exact(loss=0.25, aux=0.25)
    assert divided_twice(BOTH, case_without_weights("loss"), said) is None
    assert divided_twice(BOTH, case_without_weights(), exact()) is None


def test_the_main_term_is_a_cross_entropy_or_has_the_most_targets() -> None:
    uneven = [*(row("loss", k, count=3.0) for k in range(4)), row("aux", 4, count=10.0)]
    assert facts(asked(uneven, loss=0.25, aux=0.01))["term"] == "Loss"
    named = [*(row("loss", k, count=9.0) for k in range(4)), row("cross-entropy", 4)]
    found = asked(named, loss=0.01, cross_entropy=0.25)
    assert facts(found)["term"] == "Cross-entropy"
    unknown = [row("loss", k, count=None) for k in range(4)]
    assert facts(asked([*unknown, row("aux", 4, count=0.5)], loss=0.3, aux=0.25))["term"] == "Aux"


def test_factors_are_alike_by_their_ratio() -> None:
    assert _alike(0.25, 0.25 * (1 + 9e-6))
    assert not _alike(0.25, 0.25 * (1 + 2e-5))
    assert not _alike(1e-9, 2e-9)


def test_a_factor_beside_terms_that_pass_no_tap_may_be_meant() -> None:
    said = Finding(Verdict.RESCALED, note("weighs"), 0.5)
    found = only_tapped(FOUR, case_without_weights(), said)
    assert found is not None
    assert (found.verdict, found.factor, found.terms) == (Verdict.AMBIGUOUS, 0.5, ())
    assert found.claim == note("only tapped", term="Loss", factor=0.5)
    assert only_tapped(FOUR, case_without_weights(intended="given"), said) is None
    assert only_tapped(FOUR, case_without_weights(), exact(loss=0.5)) is None
    held = [*FOUR[:3], row("loss", 3, weight=1.0)]
    assert only_tapped(held, case_without_weights(), said) is None


def test_only_one_term_that_is_off_may_be_meant() -> None:
    off, right = Finding(Verdict.RESCALED, note("weighs"), 0.5), Finding(Verdict.EXACT, note("ok"))
    said = Finding(Verdict.RESCALED, note("terms"), 0.5, terms=(("loss", right), ("aux", off)))
    found = only_tapped(BOTH, case_without_weights(), said)
    assert found is not None
    assert found.claim == note("only tapped", term="Aux", factor=0.5)
    assert found.terms == said.terms
    both = Finding(Verdict.RESCALED, note("terms"), 0.5, terms=(("loss", off), ("aux", off)))
    assert only_tapped(BOTH, case_without_weights(), both) is None
