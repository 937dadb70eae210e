"""What the judge is given: a table of parts and what gradients show, of all terms or of one."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from cases import evidence_of, known_case

from gradexplain.audit.judge import Case, Parts
from gradexplain.audit.judge.case import Extended, Full, note

EXPECTED = np.array([0.1, 0.9, 0.3, 0.7])
TERMS = ("loss", "loss", "aux", "aux")
HIDDEN = np.array([False, True, True, False])


def full_of(outside: float = 0.0) -> Full:
    return Full(
        known_case(EXPECTED, EXPECTED).weights, outside, 1.0, (), meets=False, multiple=None
    )


def two_terms() -> Case:
    case = known_case(
        EXPECTED,
        EXPECTED,
        counts=np.array([1.0, 9, 3, 7]),
        groups=("a", "b", "c", "d"),
        also={"boxes": np.array([4.0, 3, 2, 1])},
        terms=TERMS,
        unweighted=frozenset({"aux"}),
        intended="part",
    )
    extended = Extended(("x",), case.weights, 0.0, 1.0)
    evidence = evidence_of(HIDDEN, full=full_of(), extended=extended, outside=0.5)
    evidence = replace(evidence, parameters=(("w", case.weights, evidence),))
    return Case(case.weights, case.parts, evidence)


def test_a_case_has_its_parts_weights_and_counts() -> None:
    case = two_terms()
    assert case.expected is case.parts.expected
    assert case.counts is case.parts.counts


def test_the_parts_of_one_term_are_a_case_of_their_own() -> None:
    case = two_terms().only("aux")
    assert case.expected.tolist() == [0.3, 0.7]
    assert case.parts.slack == pytest.approx([0.3e-9, 0.7e-9])
    assert case.counts is not None
    assert case.counts.tolist() == [3, 7]
    assert case.parts.groups == ("c", "d")
    assert case.parts.also["boxes"].tolist() == [2, 1]
    assert (case.parts.terms, case.parts.intended) == ((), "part")
    assert case.parts.unweighted == {"aux"}
    assert case.weights.values.tolist() == [0.3, 0.7]
    evidence = case.evidence
    assert evidence is not None
    assert evidence.hidden.tolist() == [True, False]
    assert (evidence.full, evidence.extended, evidence.outside) == (None, None, 0.5)
    ((name, weights, shown),) = evidence.parameters
    assert (name, weights.values.tolist()) == ("w", [0.3, 0.7])
    assert shown.hidden.tolist() == [True, False]
    assert (shown.full, shown.extended, shown.outside) == (None, None, 0.5)


def test_what_is_not_known_is_not_known_of_one_term() -> None:
    case = known_case(EXPECTED, EXPECTED, terms=TERMS).only("loss")
    assert case.expected.tolist() == [0.1, 0.9]
    assert (case.counts, case.parts.groups, dict(case.parts.also)) == (None, None, {})
    assert case.evidence is None


@pytest.mark.parametrize(("outside", "beyond"), [(0.9, False), (1.0, False), (1.1, True)])
def test_more_outside_than_rounding_explains_is_beyond(outside: float, *, beyond: bool) -> None:
    case = two_terms()
    assert Case(case.weights, case.parts).beyond is False
    evidence = evidence_of(HIDDEN, outside=outside)
    assert Case(case.weights, case.parts, evidence).beyond is beyond


def test_two_weightings_are_one_as_closely_as_the_expected_one_is_known() -> None:
    case = Case(two_terms().weights, Parts(EXPECTED, np.array([0.1, 0.1, 0.1, 0.0])))
    assert case.same(EXPECTED, EXPECTED + np.array([0.09, -0.09, 0, 0]))
    assert not case.same(EXPECTED, EXPECTED + np.array([0.11, 0, 0, 0]))
    assert not case.same(EXPECTED, EXPECTED + np.array([0, 0, 0, 1e-12]))


def test_without_full_the_rest_stays() -> None:
    case = two_terms().without_full()
    assert case.evidence is not None
    assert case.evidence.full is None
    assert case.evidence.extended is not None
    plain = known_case(EXPECTED, EXPECTED)
    assert plain.without_full().evidence is None


def test_each_parameter_is_a_case_of_its_own() -> None:
    ((name, case),) = two_terms().parameters()
    assert name == "w"
    assert case.evidence is not None
    assert case.evidence.parameters == ()
    assert case.parts.terms == TERMS
    assert list(known_case(EXPECTED, EXPECTED).parameters()) == []


def test_a_full_gradient_is_a_mean_if_the_parts_give_it() -> None:
    assert full_of(1.0).is_mean
    assert not full_of(1.1).is_mean
    weights = full_of().weights
    nothing = replace(weights, metric=0 * weights.metric)
    assert not replace(full_of(), weights=nothing).is_mean
    some = np.zeros_like(weights.metric)
    some[2, 2] = 1
    assert replace(full_of(), weights=replace(weights, metric=some)).is_mean


def test_a_note_cannot_be_changed() -> None:
    found = note("sum", parts=(1, 2), ratio=0.5)
    assert (found.kind, dict(found.facts)) == ("sum", {"parts": (1, 2), "ratio": 0.5})
    with pytest.raises(FrozenInstanceError):
        found.kind = "other"  # type: ignore[misc]
