"""What a finding rests on and no tap can know, and what is noted beside it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gradexplain.audit.judge.case import Finding, Verdict, note
from gradexplain.audit.tap.doubted import doubtful, scaled_by, unsure
from gradexplain.audit.tap.noted import notes
from gradexplain.audit.tap.rows import Row, rows_of
from gradexplain.audit.tap.seen import Seen, Tapped
from gradexplain.audit.tap.ways import Way

UNIT = 2.0**-24


def way_of(*factors: float, **known: Any) -> Way:
    """Return the way to an optimizer, of one worker's passes."""
    by_pass = {(0, k): factor for k, factor in enumerate(factors)}
    return Way("SGD", by_pass, dict.fromkeys(by_pass, 0.0), **known)


def tapped(read: Sequence[float], **each: Sequence[Any]) -> Seen:
    """Return what was seen of a loss in each pass, with what is known of each."""
    taps = [
        Tapped("loss", {k: np.array(weight)}, UNIT, **{name: own[k] for name, own in each.items()})
        for k, weight in enumerate(read)
    ]
    return Seen(tuple(taps), (), {})


def rows(one: Seen, way: Way) -> tuple[Row, ...]:
    return rows_of([one.taps], way.factors, way.unsure)


# Losses that were scaled before they were tapped


@pytest.mark.parametrize(
    ("counts", "times", "asked"),
    [
        ((5, 2, 9), (1, 0.4, 1.8), note("one divisor", divisor=5.0)),
        ((5, 2, 9), (1, 0.4, 1.9), note("count belied", parts=(1,), given=2, saved=5.0)),
        ((5, 2, 9), (1, 2, 2), note("count belied", parts=(1,), given=2, saved=1.0)),
        ((5, 2, 9), (3, 3, 3), note("scaled by", parts=(0,), factor=3)),
        ((0.2, 0.1, 0.3), (2, 0.5, 1), note("count belied", parts=(0,), given=0.2, saved=0.1)),
    ],
)
def test_factors_before_the_tap_are_asked_about(
    counts: Sequence[float], times: Sequence[float], asked: object
) -> None:
    taps = tapped([1.0] * 3, count=counts).taps
    assert scaled_by(taps, times) == Finding(Verdict.AMBIGUOUS, asked)  # type: ignore[arg-type]


# Counts that losses belie


def belied(read: Sequence[float], **each: Sequence[Any]) -> Finding | None:
    """Return what is asked of three losses that are taken for a wrong step."""
    one, way = tapped(read, **each), way_of(1.0, 1.0, 1.0)
    said = Finding(Verdict.REWEIGHTED, note("weighted"))
    return unsure([one], way, rows(one, way), said, "target")


def test_an_empty_sum_beside_a_belied_count_stays_empty() -> None:
    asked = belied([1 / 14, 1.0, 1 / 14], count=(2, 0, 9), saved=(5.0, 0.0, 9.0), summed=[True] * 3)
    claim = note("count belied", parts=(0,), given=2, saved=5.0)
    assert asked == Finding(Verdict.AMBIGUOUS, claim)


def test_a_loss_that_shows_no_count_of_its_own_is_not_read_by_the_given_one() -> None:
    right = [5 / 16, 2 / 16, 9 / 16]
    assert belied(right, count=(2, 2, 2), saved=(5.0, 2.0, 9.0)) is not None
    assert belied(right, count=(2, 2, 2), saved=(5.0, None, 9.0)) is None


# What a reader can't know


def doubted(said: Finding, doubt: str, *factors: float) -> Finding | None:
    """Return what is asked of one loss that was read without a tap, as two sequences."""
    one, way = tapped([1.0], doubt=[doubt]), way_of(*factors)
    return doubtful([one], way, rows(one, way) * 2, said)


@pytest.mark.parametrize("doubt", ["several", "passes", "squares", "targets", "inside"])
def test_a_mistake_that_rests_on_a_doubt_is_asked_about(doubt: str) -> None:
    said = Finding(Verdict.REWEIGHTED, note("weighted"))
    asked = Finding(
        Verdict.AMBIGUOUS,
        note(f"doubtful {doubt}"),
        notes=(note("as it is read", claim=said.claim),),
    )
    assert doubted(said, doubt, 1.0) == asked
    assert doubted(said, doubt, 1.0, 0.0) == asked
    assert doubted(Finding(Verdict.EXACT, note("exact")), doubt, 1.0) is None
    assert doubted(said, "", 1.0) is None


def test_a_pass_that_was_lost_on_the_way_is_no_doubt() -> None:
    said = Finding(Verdict.DROPPED, note("dropped"))
    assert doubted(said, "several", 1.0, 0.0) is None
    asked = doubted(said, "several", 1.0, 1.0)
    assert asked is not None
    assert asked.claim == note("doubtful several")


# What stands beside a finding


def noted(**known: Any) -> list[object]:
    """Return what is noted of this way of one loss."""
    one, way = tapped([1.0]), way_of(1.0, **known)
    return list(notes([one], way, rows(one, way)))


def test_what_happened_on_the_way_is_noted() -> None:
    assert noted() == []
    assert noted(clipped_early=0.25) == [note("clipped early", factor=0.25)]
    assert noted(hidden=0.2) == [note("rounding hides", share=0.2)]
    assert noted(hidden=0.1) == []
