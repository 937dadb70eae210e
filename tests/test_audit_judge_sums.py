"""Sums of weights, for parts that look alike: what they weigh together, where it is known."""

import numpy as np
import pytest
from audits import PARTS, plus, random_parts, weighted
from cases import evidence_of
from readings import Array, fitted

from gradexplain import Verdict, audit_accumulation
from gradexplain.audit.judge.case import Case, Parts
from gradexplain.audit.judge.sums import determined_sums
from gradexplain.audit.read.fit import Fit
from gradexplain.audit.tell.sentences import sentence

G, H, OTHER = np.random.default_rng(0).standard_normal((3, 60))


WEIGHTS = np.array([0.1, 0.3, 0.2, 0.5, 0.4, 0.0])
EXPECTED = np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.1])


def sums(A: Fit, expected: Array, lost: list[int]) -> list[str]:
    """Return what is said of these parts where they could not be read."""
    case = Case(A.read(), Parts(expected, 0 * expected), evidence_of(~A.span.visible))
    return [sentence(found) for found in determined_sums(case, np.array(lost))]


@pytest.mark.parametrize("length", [1e-3, 1.0, 1e3])
def test_parts_of_one_direction_are_added_up_by_their_lengths_and_signs(length: float) -> None:
    """Two pairs, one of them of opposite signs; a part that is like no other, and one of zeros."""
    parts = length * np.array([G, H, 3 * G, -2 * H, OTHER, 0 * G])
    A = fitted(parts, WEIGHTS @ parts, EXPECTED)
    first = (0.1 + 3 * 0.2) / (0.1 + 3 * 0.3)
    second = (0.3 - 2 * 0.5) / (0.2 - 2 * 0.1 + 0.05)
    right = EXPECTED + np.array([0, 0.05, 0, 0, 0, 0])
    assert sums(A, right, [0, 1, 2, 3, 4, 5]) == [
        f"Together, parts[0] and parts[2] weigh {first:.4g} times what they should.",
        f"Together, parts[1] and parts[3] weigh {second:.4g} times what they should.".replace(
            "weigh -", "weigh −"
        ),
    ]
    assert sums(A, right, [1, 3, 4]) == sums(A, right, [0, 1, 2, 3, 4, 5])[1:]
    assert sums(A, right, [0, 4, 5]) == []


def test_parts_that_are_alike_through_another_are_one_group() -> None:
    """The first and the second are 11 degrees apart; the third stands between them."""
    a, b, c = np.eye(3, 60)
    parts = np.array([a, a + 0.2 * b, a + 0.1 * b + 0.01 * c])
    A = fitted(parts, parts.mean(axis=0), np.ones(3) / 3)
    assert sums(A, np.ones(3) / 3, [0, 1, 2]) == [
        "Together, parts[0], parts[1] and parts[2] weigh 1 times what they should."
    ]
    assert sums(A, np.ones(3) / 3, [0, 1]) == []


@pytest.mark.parametrize(("turned", "known"), [(0.0197, True), (0.0203, False), (0.1, False)])
def test_a_sum_that_a_readable_part_could_stand_in_for_is_not_determined(
    turned: float, *, known: bool
) -> None:
    """The third part is what the second has more than the first, so their sum is uncertain."""
    a, b = np.eye(2, 60)
    parts = np.array([a, a + turned * b, b])
    right = np.array([0.3, 0.3, 0.4])
    A = fitted(parts, np.array([0.2, 0.5, 0.3]) @ parts, right)
    assert A.span.rank == 2
    assert len(sums(A, right, [0, 1])) == known


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_uncertain_by_a_quarter_of_what_it_should_be_is_not_determined(sign: int) -> None:
    third = G + 0.5 * H  # like the first two, but not alike
    parts = np.array([5 * G, sign * 7 * G, third, 0 * G])
    A = fitted(parts, np.array([0.2, 0.3, 0.5, 0]) @ parts, np.array([1, 1, 1, 0]) / 3, "bfloat16")
    along = np.linalg.norm(parts, axis=1) * [1, sign, 0, 0]
    moved = float(np.sqrt(along @ np.linalg.pinv(parts @ parts.T) @ along))
    assert moved > 1.5
    limit = 4 * A.noise() * moved
    share = np.array([0, limit / along[1], 0, 0])
    assert len(sums(A, 1.01 * share, [0, 1])) == 1
    assert sums(A, 0.99 * share, [0, 1]) == []
    assert len(sums(A, -1.01 * share, [0, 1])) == 1
    assert sums(A, -0.99 * share, [0, 1]) == []


def test_nearly_parallel_parts_leave_only_their_sum_to_be_read() -> None:
    twin = plus(PARTS[0], random_parts(1, seed=9)[0], 1e-7)
    parts, counts = [PARTS[0], twin, PARTS[1]], np.array([10, 90, 30])
    report = audit_accumulation(weighted([0.3, 0.3, 0.4], parts), parts, counts=counts)
    assert report.verdict is Verdict.AMBIGUOUS
    assert report.claim.startswith("The weights of parts[0] and parts[1] cannot be determined")
    assert report.notes == (
        f"Together, parts[0] and parts[1] weigh {0.6 / (100 / 130):.4g} times what they should.",
    )
    twin = plus(PARTS[0], random_parts(1, seed=9)[0], 1e-4)
    parts = [PARTS[0], twin, PARTS[1]]
    report = audit_accumulation(weighted([0.3, 0.3, 0.4], parts), parts, counts=counts)
    assert report.verdict is Verdict.REWEIGHTED
    assert report.weights == pytest.approx([0.3, 0.3, 0.4], rel=1e-3)


def test_uncertain_weights_are_named() -> None:
    twin = plus(PARTS[0], random_parts(1, seed=9)[0], 1e-7)
    parts = [PARTS[0], twin, PARTS[1]]
    report = audit_accumulation(weighted([0.3, 0.3, 0.4], parts), parts, counts=[10, 90, 30])
    assert report.claim == (
        "The weights of parts[0] and parts[1] cannot be determined: the parts are nearly parallel, "
        "too small, or too many."
    )


def test_a_part_that_is_hidden_is_in_no_sum() -> None:
    parts = np.array([G, 2 * G, 1e-9 * G, H])
    expected = np.array([0.2, 0.3, 0.4, 0.1])
    A = fitted(parts, expected @ parts, expected)
    assert A.span.visible.tolist() == [True, True, False, True]
    assert sums(A, expected, [0, 1, 2]) == [
        "Together, parts[0] and parts[1] weigh 1 times what they should."
    ]
    assert sums(A, expected, [0, 2]) == []


def test_without_gradients_no_sum_is_known() -> None:
    parts = np.array([G, 2 * G])
    A = fitted(parts, parts.mean(axis=0), np.ones(2) / 2)
    case = Case(A.read(), Parts(np.ones(2) / 2, np.zeros(2)))
    assert list(determined_sums(case, np.array([0, 1]))) == []
