"""Two findings of one step become one, and what there is to do about it."""

import numpy as np
import pytest
from cases import known_case

from gradexplain.audit.judge.case import Finding, Verdict, note
from gradexplain.audit.tap.asked import _of_loops
from gradexplain.audit.tap.judged import _beside, _scaled
from gradexplain.audit.tap.told import Judged, _questions, _to_do
from gradexplain.audit.tap.ways import Scaled, Way
from gradexplain.audit.tell.advice import TO_DO_FOR
from gradexplain.audit.tell.sentences import sentence

WRONG = Finding(Verdict.MEAN_OF_MEANS, note("clipped scaled", scale="2^10"))
OPEN = Finding(Verdict.AMBIGUOUS, note("several"), notes=(note("equal counts"),))
RIGHT = Finding(Verdict.EXACT, note("right"), notes=(note("equal counts"),))


@pytest.mark.parametrize(
    ("one", "other", "notes"),
    [
        (WRONG, OPEN, ["several", "equal counts"]),
        (OPEN, WRONG, ["several", "equal counts"]),
        (WRONG, RIGHT, ["equal counts"]),  # that something else is right goes without saying
    ],
)
def test_the_worse_of_two_findings_takes_the_other_along(
    one: Finding, other: Finding, notes: list[str]
) -> None:
    found = _beside(one, other)
    assert found.verdict is Verdict.MEAN_OF_MEANS
    assert [each.kind for each in found.notes] == notes


@pytest.mark.parametrize(
    ("bound", "kind", "factor"),
    [
        (1.0, "clipped scaled", 0.1),
        (1e-3 * 1024.0, "clipped scaled, bound too", 1.0),
        (512.0, "clipped scaled, bound too", 1.0),
    ],
)
def test_a_clip_of_scaled_gradients_is_wrong_unless_its_bound_is_scaled_too(
    bound: float, kind: str, factor: float
) -> None:
    found = _scaled(Way("SGD", {}, {}, clipped_scaled=Scaled(1024.0, 0.1, bound)))
    assert found is not None
    assert found.verdict is (Verdict.RESCALED if factor < 1 else Verdict.AMBIGUOUS)
    assert (found.claim.kind, found.claim.facts["scale"], found.factor) == (kind, "2^10", factor)


@pytest.mark.parametrize(
    ("kind", "told"), [("untapped path", TO_DO_FOR["untapped path"]), ("equal counts", "usual")]
)
def test_a_right_step_leaves_something_to_do_only_beside_an_untapped_path(
    kind: str, told: str
) -> None:
    found = Finding(Verdict.EXACT, note("right"), notes=(note(kind),))
    assert _to_do(found, "usual") == told


def test_loops_divide_or_multiply_by_micro_batches_and_workers() -> None:
    assert [*_of_loops(2, 3)] == [(1, 2), (2, 1), (1, 3), (3, 1), (1, 6), (6, 1), (2, 3), (3, 2)]
    assert [*_of_loops(2, 1)] == [(1, 2), (2, 1), (1, 2), (2, 1), (2, 1), (1, 2)]


def test_a_finding_that_rests_on_another_reading_keeps_its_term() -> None:
    claim = note("also without", parts=(1,))
    said = sentence(note("as it is read", claim=claim), "aux")
    assert said == f"Taken as one mean over all of its targets: {sentence(claim, 'aux')}"
    assert "aux" in said


def test_a_claim_that_says_what_to_do_comes_before_the_verdict() -> None:
    kind = next(iter(TO_DO_FOR))
    assert _to_do(Finding(Verdict.AMBIGUOUS, note(kind)), "usual") == TO_DO_FOR[kind]


def test_a_clip_of_scaled_gradients_leaves_no_question() -> None:
    found = _scaled(Way("SGD", {}, {}, clipped_scaled=Scaled(1024.0, 0.1, 1.0)))
    assert found is not None
    one = Judged(Way("SGD", {}, {}), (), known_case(np.ones(1), np.ones(1)), found)
    assert _questions(one, found, 1, ("usual",)) == ()
