"""What a finding rests on and no tap can know, and what is noted beside it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gradexplain.audit.judge.case import Finding, Verdict, note
from gradexplain.audit.judge.decide import decide
from gradexplain.audit.tap.doubted import doubtful, maybe_one, scaled_by, unsure
from gradexplain.audit.tap.noted import notes
from gradexplain.audit.tap.rows import Row, case_of, rows_of
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
        ((5, 0), (0.5, 1), note("one divisor", divisor=10.0)),  # of the only sum that has targets
    ],
)
def test_factors_before_the_tap_are_asked_about(
    counts: Sequence[float], times: Sequence[float], asked: object
) -> None:
    taps = tapped([1.0] * len(counts), count=counts).taps
    assert scaled_by(taps, times) == Finding(Verdict.AMBIGUOUS, asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("times", "asked"),
    [
        ((1 + 5e-7, 3, 3), note("count belied", parts=(1,), given=2, saved=2 / 3)),
        ((1 + 1.005e-6, 3, 3), note("count belied", parts=(0,), given=5, saved=5 / (1 + 1.005e-6))),
        ((2, 2 + 1e-6, 2), note("scaled by", parts=(0,), factor=2)),
        ((2, 2 + 1e-5, 2), note("count belied", parts=(0,), given=5, saved=2.5)),
        ((2e-9, 2e-9, 3e-9), note("count belied", parts=(0,), given=5, saved=5 / 2e-9)),
        ((1, 0.4, 1.8 + 1e-6), note("one divisor", divisor=5)),
        ((1, 0.4, 1.8 + 1e-5), note("count belied", parts=(1,), given=2, saved=5)),
        ((5e9, 1e9, 9e9), note("count belied", parts=(0,), given=5, saved=1e-9)),
    ],
)
def test_factors_that_differ_by_more_than_rounding_are_no_common_one(
    times: Sequence[float], asked: object
) -> None:
    taps = tapped([1.0] * 3, count=(5, 2, 9)).taps
    assert scaled_by(taps, times) == Finding(Verdict.AMBIGUOUS, asked)  # type: ignore[arg-type]


def late(read: Sequence[Any], **each: Sequence[Any]) -> Finding | None:
    """Return what is asked of losses that were scaled before their taps, nobody knows by what."""
    one, way = tapped(read, scaled=[True] * len(read), **each), way_of(*[1.0] * len(read))
    return unsure([one], way, rows(one, way), Finding(Verdict.RESCALED, note("scaled")), "target")


@pytest.mark.parametrize(
    ("read", "shape", "asked"),
    [
        ([0.5], (), 0.5),
        ([0.5, 0.5 + 1e-7], (), 0.5),
        ([0.5, 0.5 + 3e-6], (), None),
        ([1e-9, 2e-9], (), None),
        ([[0.5, 0.5]], (2,), 1.0),
        ([[0.25, 0.25]], (2,), None),  # a loss per target is divided after its tap, and by this
        ([[0.5]], (1,), 0.5),
    ],
)
def test_losses_that_all_read_alike_may_have_been_scaled_before_their_taps(
    read: Sequence[Any], shape: tuple[int, ...], asked: float | None
) -> None:
    found = late(read, shape=[shape] * len(read))
    claim = note("scaled before", read=asked)
    assert found == (None if asked is None else Finding(Verdict.AMBIGUOUS, claim))


# Counts that losses belie


def belied(
    read: Sequence[float],
    verdict: Verdict = Verdict.REWEIGHTED,
    expect: str = "target",
    **each: Sequence[Any],
) -> Finding | None:
    """Return what is asked of three losses that are taken for a wrong step, if nothing is said."""
    one, way = tapped(read, **each), way_of(1.0, 1.0, 1.0)
    return unsure([one], way, rows(one, way), Finding(verdict, note("said")), expect)


@pytest.mark.parametrize("shown", [0.0, None])
def test_an_empty_sum_beside_a_belied_count_stays_empty(shown: float | None) -> None:
    saved = 5.0, shown, 9.0
    asked = belied([1 / 14, 1.0, 1 / 14], count=(2, 0, 9), saved=saved, summed=[True] * 3)
    claim = note("count belied", parts=(0,), given=2, saved=5.0)
    assert asked == Finding(Verdict.AMBIGUOUS, claim)


def test_a_loss_over_no_target_keeps_the_given_count() -> None:
    saved = 5.0, 0.0, 9.0
    assert belied([5 / 18, 4 / 18, 9 / 18], count=(2, 4, 9), saved=saved) is not None
    assert belied([5 / 14, 1.0, 9 / 14], count=(2, 4, 9), saved=saved) is None


@pytest.mark.parametrize(
    ("verdict", "expect", "asked"),
    [
        (Verdict.REWEIGHTED, "target", True),
        (Verdict.EXACT, "target", False),
        (Verdict.AMBIGUOUS, "target", False),
        (Verdict.REWEIGHTED, "part", False),
        (Verdict.AMBIGUOUS, "part", False),
    ],
)
def test_a_belied_count_matters_where_a_wrong_step_rests_on_it(
    verdict: Verdict, expect: str, *, asked: bool
) -> None:
    read = [1 / 3] * 3 if expect == "part" else [5 / 16, 2 / 16, 9 / 16]
    found = belied(read, verdict, expect, count=(2, 2, 9), saved=(5.0, 2.0, 9.0))
    assert (found is not None) is asked


def test_a_loss_that_shows_no_count_of_its_own_is_not_read_by_the_given_one() -> None:
    right = [5 / 16, 2 / 16, 9 / 16]
    assert belied(right, count=(2, 2, 2), saved=(5.0, 2.0, 9.0)) is not None
    assert belied(right, count=(2, 2, 2), saved=(5.0, None, 9.0)) is None


# Losses that may be one


def one_or_two(
    read: Sequence[float],
    aside: Sequence[float] = (),
    values: Sequence[float] = (2.0, 2.0),
    weight: float | None = None,
) -> Finding | None:
    """Return what is asked of two losses of one value, and of those of another term beside them."""
    given: dict[str, Any] = {"unit": UNIT, "count": 9.0}
    main = [Tapped("loss", {k: np.array(r)}, **given, value=1.5) for k, r in enumerate(read)]
    others = [
        Tapped("aside", {k: np.array(r)}, **given, weight=weight, value=value)
        for k, (r, value) in enumerate(zip(aside, values, strict=False))
    ]
    one, way = Seen((*main, *others), (), {}), way_of(1.0, 1.0)
    table = rows(one, way)
    return maybe_one([one], way, table, decide(case_of(table, "target", 0.0)), "target")


def test_what_was_read_stands_beside_the_question() -> None:
    as_read = note("as it is read", claim=note("exact", intended="target"))
    claim = note("same loss", losses=2, weight=2.0)
    assert one_or_two([0.5, 0.5]) == Finding(Verdict.AMBIGUOUS, claim, notes=(as_read,))


@pytest.mark.parametrize(
    ("verdict", "expect", "asked"),
    [
        (Verdict.EXACT, "target", True),
        (Verdict.EXACT, "part", False),
        (Verdict.REWEIGHTED, "part", False),
        (Verdict.AMBIGUOUS, "target", False),
    ],
)
def test_whether_losses_are_one_matters_where_targets_count_and_something_is_said(
    verdict: Verdict, expect: str, *, asked: bool
) -> None:
    one, way = tapped([0.5, 0.5], value=[1.5, 1.5], count=[9, 9]), way_of(1.0, 1.0)
    found = maybe_one([one], way, rows(one, way), Finding(verdict, note("said")), expect)
    assert (found is not None) is asked


@pytest.mark.parametrize(
    ("aside", "values", "weight", "asked"),
    [
        ((0.1, 0.1), (2, 2), None, True),  # any weight is right, if none is given
        ((0.1, 0.1), (2, 3), None, True),
        ((0.1, 0.3), (2, 3), None, False),
        ((0.1, 0.1), (2, 2), 0.1, True),
        ((0.1, 0.1), (2, 2), 0.2, False),
        ((0.1, 0.1), (2, 3), 0.2, True),
        ((0.1, 0.1), (2, 3), 0.1, False),
    ],
)
def test_losses_may_be_one_if_the_other_terms_are_right_then(
    aside: Sequence[float], values: Sequence[float], weight: float | None, *, asked: bool
) -> None:
    found = one_or_two([1.0, 1.0], aside, values, weight)
    assert (found is not None) is asked
    if found is not None:
        assert found.claim == note("same loss", losses=2, weight=2.0)


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


@pytest.mark.parametrize("doubt", ["targets", "inside"])
@pytest.mark.parametrize(
    ("verdict", "read", "asked"),
    [
        (Verdict.DROPPED, {0: np.array(0.0)}, True),
        (Verdict.DROPPED, {0: np.array(1.0)}, False),
        (Verdict.DROPPED, {}, False),  # nothing came back to it: no mask did that
        (Verdict.UNEXPLAINED, {0: np.array(0.0)}, False),
    ],
)
def test_a_loss_that_has_no_weight_may_be_masked(
    doubt: str, verdict: Verdict, read: Any, *, asked: bool
) -> None:
    one, way = Seen((Tapped("loss", read, UNIT, doubt=doubt),), (), {}), way_of(1.0)
    found = doubtful([one], way, rows(one, way), Finding(verdict, note("said")))
    assert (found is not None) is asked


def test_weights_inside_a_loss_matter_where_parts_of_it_are_weighed() -> None:
    one, way = tapped([1.0], doubt=["inside"]), way_of(1.0)
    said = Finding(Verdict.REWEIGHTED, note("weighted"))
    assert doubtful([one], way, rows(one, way), said) is None
    assert doubtful([one], way, rows(one, way) * 2, said) is not None
    assert doubted(Finding(Verdict.MEAN_OF_MEANS, note("means")), "inside", 1.0) is None


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
