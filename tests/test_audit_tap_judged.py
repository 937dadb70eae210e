"""Two findings of one step become one, and what there is to do about it."""

import pytest

from gradexplain.audit.judge.case import Finding, Verdict, note
from gradexplain.audit.tap.judged import _beside, _scaled
from gradexplain.audit.tap.told import _to_do
from gradexplain.audit.tap.ways import Scaled, Way
from gradexplain.audit.tell.advice import TO_DO_FOR

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
    ("bound", "kind"), [(1.0, "clipped scaled"), (512.0, "clipped scaled, bound too")]
)
def test_a_clip_of_scaled_gradients_is_wrong_unless_its_bound_is_scaled_too(
    bound: float, kind: str
) -> None:
    found = _scaled(Way("SGD", {}, {}, clipped_scaled=Scaled(1024.0, 0.1, bound)))
    assert found is not None
    assert (found.claim.kind, found.claim.facts["scale"]) == (kind, "2^10")


@pytest.mark.parametrize(
    ("kind", "told"), [("untapped path", TO_DO_FOR["untapped path"]), ("equal counts", "usual")]
)
def test_a_right_step_leaves_something_to_do_only_beside_an_untapped_path(
    kind: str, told: str
) -> None:
    found = Finding(Verdict.EXACT, note("right"), notes=(note(kind),))
    assert _to_do(found, "usual") == told
