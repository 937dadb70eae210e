"""What the weights tell by themselves: factors, parts that are gone, and what stays open."""

from typing import Any

import numpy as np
import pytest
from cases import known_case

from gradexplain import audit_accumulation
from gradexplain.audit.judge import Case, Parts, Verdict, Weights, decide, directly_read
from gradexplain.audit.judge.case import Finding, note
from gradexplain.audit.judge.inside import but_unread

TIGHT = 1e10  # of a metric in which every weight is known to 1e-5


def found(values: list[float], expected: list[float], **known: Any) -> Finding:
    """Decide weights of which each is uncertain by itself, `metric` together."""
    K, metric = len(values), known.pop("metric", TIGHT)
    read = {"absolute": 1e-6, "relative": 1e-6, "noise": 0.0} | {
        name: known.pop(name) for name in ("absolute", "relative", "noise") if name in known
    }
    weights = Weights(
        np.array(values),
        np.broadcast_to(np.asarray(read["absolute"], float), K),
        read["relative"],
        metric * np.eye(K),
        read["noise"],
    )
    should = np.array(expected)
    return decide(Case(weights, Parts(should, 1e-9 * should, **known)))


def unread(values: list[float], expected: list[float], which: list[int], **known: Any) -> Finding:
    """Decide weights that were read directly, but for some."""
    mask = np.isin(np.arange(len(values)), which)
    should = np.array(expected)
    weights = directly_read(np.array(values), 2.0**-24, mask)
    return decide(Case(weights, Parts(should, 1e-9 * should, **known)))


def test_a_factor_has_its_name_and_its_mean() -> None:
    twice = found([1.0, 1.0], [0.5, 0.5], metric=2.0**41, intended="part")
    assert twice.claim == note("weighs", weighting="expected", factor=2.0, intended="part")
    assert twice.notes == (note("factor", name="K", value=2.0),)


def test_a_factor_that_may_be_1_has_no_name() -> None:
    """K/n is 2/3, and as near to what was read as 1 is."""
    size = (TIGHT / 2) ** 0.5
    counts = np.array([2.0, 1.0])
    alike = found([0.5, 0.5], [2 / 3, 1 / 3], noise=size / 2, counts=counts)
    assert (alike.verdict, alike.factor, alike.notes) == (Verdict.MEAN_OF_MEANS, 1, ())


def test_a_factor_without_a_name_is_told_if_it_is_far_beyond_what_the_weights_may_be_off() -> None:
    far = found([0.622, 0.608], [0.5, 0.5], absolute=0.01, metric=1e4)
    assert far.verdict is Verdict.RESCALED
    assert far.factor == pytest.approx(1.23)


def test_with_half_of_the_weights_unread_no_part_is_said_to_be_missing() -> None:
    for which, verdict in (([0], Verdict.DROPPED), ([0, 1], Verdict.AMBIGUOUS)):
        values = [0.0 if k in which else 0.3 for k in range(2)]
        assert unread([*values, 0.0, 0.2], [0.3, 0.3, 0.2, 0.2], which).verdict is verdict


def test_a_part_that_is_gone_is_not_called_unread_too() -> None:
    """Its weight is 0 to within 0.4 of what it should be."""
    dropped = found([0.3, 0.0, 0.5], [0.3, 0.2, 0.5], absolute=[1e-6, 0.08, 1e-6])
    assert dropped.verdict is Verdict.DROPPED
    assert dropped.notes == ()


def test_neither_parts_that_are_gone_nor_those_without_weight_are_called_unread() -> None:
    should = np.array([0.3, 0.2, 0.5, 0.0])
    weights = directly_read(should, 2.0**-24, np.ones(4, bool))
    case = Case(weights, Parts(should, 1e-9 * should))
    assert but_unread(case, should == 0.2) == (note("but unread", parts=(0, 2)),)
    assert but_unread(case) == (note("but unread", parts=(0, 1, 2)),)


def test_a_factor_that_may_be_1_does_not_make_the_expected_weights_wrong() -> None:
    """They fit sharply at 0.98, not at 1, from which 0.98 cannot be told."""
    should = [0.2, 0.3, 0.25, 0.25]
    values = [0.98 * 0.2 + 0.006, 0.98 * 0.3, 0.245, 0.245]
    open_ = found(values, should, absolute=0.0055, noise=1.0, metric=2e3)
    assert (open_.verdict, open_.factor) == (Verdict.AMBIGUOUS, 1)


def test_what_is_near_as_a_whole_may_be_clearly_off_in_one_part() -> None:
    values, expected = [0.3, 0.7], [0.2, 0.8]
    assert found(values, expected, metric=1, absolute=0.09).verdict is Verdict.AMBIGUOUS
    assert found(values, expected, metric=1, absolute=0.01).verdict is Verdict.REWEIGHTED


def test_only_parts_that_can_be_zero_and_should_not_may_be_lacking() -> None:
    lacking = found(
        [0.0, 0.09, 0.15, 0.0],
        [0.2, 0.3, 0.5, 0.0],
        absolute=[0.15, 0.05, 0.05, 1e-6],
        relative=0.2,
        metric=1e4,
    )
    assert lacking.claim == note("lacking", parts=(0,))


@pytest.mark.parametrize("whole", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("share", "verdict"), [(0.08, "reweighted"), (0.12, "ambiguous")])
def test_a_little_may_stay_unread_of_any_total(whole: float, share: float, verdict: str) -> None:
    rest = (1 - share) / 2
    expected = [whole * share, whole * rest, whole * rest]
    odd = unread([0.0, 0.3 * whole, 0.6 * whole], expected, [0])
    assert odd.verdict.value == verdict


@pytest.mark.parametrize("whole", [0.5, 1.0])
def test_equal_counts_are_noted_whatever_a_term_weighs(whole: float) -> None:
    even = np.full(2, whole / 2)
    assert decide(known_case(even, even)).notes == (note("equal counts"),)


def test_one_part_is_right_if_it_is_the_full_gradient() -> None:
    rng = np.random.default_rng(0)
    part, other = rng.standard_normal((2, 100))
    assert audit_accumulation(part, [part.copy()], counts=[5]).ok is None
    assert audit_accumulation(part, [part.copy()], counts=[5], full=part.copy()).ok is True
    assert audit_accumulation(part, [part.copy()], counts=[5], full=part + other).ok is not True


def test_a_term_that_is_open_is_not_called_wrong_beside_one_that_is() -> None:
    terms = ("loss", "loss", "aux")
    both = unread([0.5, 0.5, 0.0], [0.25, 0.75, 1.0], [2], terms=terms)
    assert both.claim == note("terms", wrong=(("loss", Verdict.MEAN_OF_MEANS, 1.0),), right=())
    right = unread([0.25, 0.75, 1.0, 2.0], [0.25, 0.75, 1.0, 2.0], [], terms=(*terms, "aux"))
    assert (right.verdict, right.factor) == (Verdict.EXACT, 1)
