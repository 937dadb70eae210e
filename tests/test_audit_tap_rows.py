"""From what taps read to the table that the judge is given: weights, counts, terms and groups."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradexplain.audit.tap.judged import judged
from gradexplain.audit.tap.rows import Row, case_of, rows_of
from gradexplain.audit.tap.seen import Seen, Stepped, Tapped

UNIT = 2.0**-24


def row(**known: Any) -> Row:
    """Return a part of the main term, but for what is said."""
    plain: dict[str, Any] = {"term": "loss", "worker": 0, "batch": 0, "value": 0.5, "read": 0.5}
    return Row(**(plain | {"count": 4.0, "weight": None, "unit": UNIT} | known))


def by_counts(*counts: float | None, **known: Any) -> list[Row]:
    return [row(batch=k, count=n, **known) for k, n in enumerate(counts)]


def rows(read: Any, factors: Any = ((0, 1.0),), unsure: float = 0.0, **known: Any) -> list[Row]:
    """Return the parts of one tap, on worker 0."""
    passes = {0: read} if not isinstance(read, dict) else read
    tap = Tapped(
        "loss", {k: np.asarray(value, float) for k, value in passes.items()}, UNIT, **known
    )
    ways = {(0, one): factor for one, factor in factors}
    return list(rows_of([[tap]], ways, dict.fromkeys(ways, unsure)))


def test_targets_alike_are_expected_by_their_counts() -> None:
    case = case_of(by_counts(5, 2, 9), "target", 0.0)
    assert case.expected == pytest.approx(np.array([5, 2, 9]) / 16)
    assert case.parts.slack == pytest.approx(1e-9 * case.expected, rel=1e-6)
    assert (case.parts.intended, case.parts.groups, case.parts.terms) == ("target", None, ())
    assert case.parts.unweighted == frozenset()
    assert case.counts is not None
    assert case.counts.tolist() == [5, 2, 9]


def test_a_weight_within_six_roundings_is_the_one_expected() -> None:
    for roundings, same in ((5.9, True), (6.5, False)):
        case = case_of([row(value=1 + roundings * UNIT)], "target", 0.0)
        assert (float(case.weights.values[0]) == 1.0) is same


def test_parts_alike_need_no_counts() -> None:
    case = case_of(by_counts(5, 2, 9), "part", 0.0)
    assert (case.expected.tolist(), case.parts.intended) == ([1 / 3] * 3, "part")
    unknown = case_of(by_counts(5, None), "target", 0.0)
    assert (unknown.expected.tolist(), unknown.counts) == ([0.5, 0.5], None)


def test_weights_that_are_given_are_those_of_the_main_term() -> None:
    main, boxes = by_counts(5, 3), by_counts(1, 3, term="boxes", weight=0.5)
    case = case_of([*main, *boxes], [0.75, 0.125], 0.0)
    assert case.expected.tolist() == [0.75, 0.125, 0.125, 0.375]
    assert (case.parts.intended, case.parts.unweighted) == ("given", frozenset())
    with pytest.raises(
        ValueError, match=r"^expect must have a weight for each tapped loss, 3, not 2$"
    ):
        case_of(by_counts(5, 2, 9), [0.5, 0.5], 0.0)


def test_sequences_share_the_weight_that_their_loss_was_given() -> None:
    first, second, third = by_counts(6, 3, 2)
    split = [replace(first, count=4.0), replace(first, count=2.0), second, third]
    case = case_of(split, [0.75, 0.25, 0.0], 0.0)
    assert case.expected.tolist() == pytest.approx([0.5, 0.25, 0.25, 0])
    with pytest.raises(ValueError, match=r"a weight for each tapped loss, 3, not 4$"):
        case_of(split, [0.5, 0.25, 0.25, 0.0], 0.0)


def test_a_loss_whose_sequences_all_lack_targets_keeps_its_place() -> None:
    taps = [
        Tapped("loss", {k: np.asarray(read)}, UNIT, kept=np.asarray(read) > 0)
        for k, read in enumerate([SEQUENCES, 0 * SEQUENCES])
    ]
    factors = {(0, k): 1.0 for k in range(2)}
    found = rows_of([taps], factors, dict.fromkeys(factors, 0.0))
    assert [(one.batch, one.count) for one in found] == [(0, 2), (0, 1), (1, 0)]
    given = case_of(found, [1.0, 0.0], 0.0)
    assert given.expected == pytest.approx([2 / 3, 1 / 3])


def test_a_term_is_expected_with_its_own_weight_and_counts() -> None:
    main, boxes = by_counts(1, 3), by_counts(4, 4, term="boxes", weight=0.25)
    case = case_of([*main, *boxes], "target", 0.0)
    assert case.expected.tolist() == [0.25, 0.75, 0.125, 0.125]
    assert case.parts.terms == ("loss", "loss", "boxes", "boxes")
    assert case.parts.unweighted == frozenset()


def test_a_term_without_a_weight_is_judged_by_its_proportions() -> None:
    case = case_of([*by_counts(4, 4, term="boxes"), *by_counts(1, 3)], "target", 0.0)
    assert case.parts.unweighted == {"boxes"}
    assert case.expected.tolist() == [0.5, 0.5, 0.25, 0.75]
    first = case_of([*by_counts(1, term="boxes"), *by_counts(1, term="points")], "target", 0.0)
    assert first.parts.unweighted == {"boxes", "points"}


def test_the_main_term_may_have_a_weight_too() -> None:
    assert case_of(by_counts(1, 3, weight=2.0), "target", 0.0).expected.tolist() == [0.5, 1.5]


@pytest.mark.parametrize("weights", [(None, 0.5), (0.5, None), (0.5, 0.5)])
def test_one_tap_of_a_term_tells_its_weight(weights: tuple[float | None, ...]) -> None:
    boxes = [row(term="boxes", count=1.0, weight=weight) for weight in weights]
    case = case_of([row(), *boxes], "target", 0.0)
    assert case.expected.tolist() == [1, 0.25, 0.25]
    assert case.parts.unweighted == frozenset()


def test_two_weights_of_one_term_are_an_error() -> None:
    boxes = [row(term="boxes", weight=weight) for weight in (0.5, 2.0)]
    with pytest.raises(
        ValueError, match=r"^weight must be the same in each tap of 'boxes', not 0.5 and 2$"
    ):
        case_of([row(), *boxes], "target", 0.0)


def test_parts_are_grouped_by_worker_or_by_the_batch_they_were_split_from() -> None:
    workers = [row(worker=w, batch=k) for w in range(2) for k in range(2)]
    assert case_of(workers, "target", 0.0).parts.groups == (0, 0, 1, 1)
    split = [row(batch=k) for k in (0, 0, 1)]
    assert case_of(split, "target", 0.0).parts.groups == ((0, 0), (0, 0), (0, 1))
    both = [row(worker=w) for w in (0, 0, 1)]
    assert case_of(both, "target", 0.0).parts.groups == ((0, 0), (0, 0), (1, 0))


def test_a_batch_without_targets_is_no_part() -> None:
    case = case_of(by_counts(5, 0, 3), "target", 0.0)
    assert case.expected.tolist() == [0.625, 0.375]


def test_weights_are_as_uncertain_as_the_coarsest_loss_or_the_way() -> None:
    assert case_of(by_counts(5, 3), "target", 0.0).weights.relative == pytest.approx(6 * UNIT)
    coarse = [row(unit=2.0**-8), row()]
    assert case_of(coarse, "target", 0.0).weights.relative == pytest.approx(6 * 2.0**-8)
    assert case_of(by_counts(5, 3), "target", 1e-3).weights.relative == pytest.approx(1e-3)


def test_a_weight_is_what_the_loss_hands_out_times_the_factor_of_its_pass() -> None:
    (found,) = rows(0.5, [(0, 0.25)], count=4.0, weight=3.0)
    assert (found.value, found.read, found.count, found.weight) == (0.125, 0.5, 4, 3)
    assert (found.term, found.worker, found.batch, found.unit) == ("loss", 0, 0, UNIT)
    assert (found.back, found.unread, found.spread, found.beside) == (True, False, 0, False)
    (twice,) = rows({0: 0.5, 1: 2.0}, [(0, 0.25), (1, 0.5)], count=4.0)
    assert (twice.value, twice.read) == (1.125, 2.5)


def test_a_sum_counts_once_for_each_target() -> None:
    (found,) = rows(0.5, [(0, 0.25)], count=4.0, summed=True)
    assert (found.value, found.read) == (0.5, 2.0)
    (uncounted,) = rows(0.5, summed=True)
    assert (uncounted.value, uncounted.read, uncounted.count) == (0.5, 0.5, None)


def test_a_pass_that_never_reached_the_optimizer_brings_nothing_back() -> None:
    (found,) = rows(0.5, [(1, 1.0)], count=4.0)
    assert (found.back, found.value, found.read) == (False, 0, 0.5)


def test_factors_are_those_of_the_workers_own_passes() -> None:
    taps = [[Tapped("loss", {0: np.array(0.5)}, UNIT, count=4.0)] for _ in range(2)]
    factors = {(0, 0): 1.0, (1, 0): 0.5}
    found = rows_of(taps, factors, {(0, 0): 0.0, (1, 0): np.inf})
    assert [(one.worker, one.value, one.unread) for one in found] == [
        (0, 0.5, False),
        (1, 0.25, True),
    ]


@pytest.mark.parametrize(("unsure", "unread"), [(0.2, False), (0.3, False), (np.inf, True)])
def test_nothing_is_read_by_a_factor_that_could_be_any(unsure: float, *, unread: bool) -> None:
    assert [one.unread for one in rows(0.5, unsure=unsure, count=4.0)] == [unread]


def test_a_reading_of_nan_is_one_that_could_not_be_made() -> None:
    (hidden,) = rows(np.nan, count=4.0)
    assert (hidden.unread, hidden.value, hidden.read) == (True, 0, 0)
    (shown,) = rows([0.25, 0.25], count=2.0)
    assert not shown.unread


def test_the_targets_that_a_weight_came_back_to_are_counted() -> None:
    (found,) = rows([0.1, 0.0, 0.1, 0.1], [(0, 2.0)])
    assert (found.count, found.spread, found.beside) == (3, 0, False)
    assert [found.value, found.read] == pytest.approx([0.6, 0.3])


def test_where_nothing_came_back_all_targets_are_counted() -> None:
    tap = Tapped("loss", {}, UNIT, shape=(2, 3))
    (found,) = rows_of([[tap]], {}, {})
    assert (found.count, found.value, found.back) == (6, 0, False)


def test_a_target_that_does_not_count_must_not_weigh() -> None:
    kept = np.array([True, True, False])
    (right,) = rows([0.1, 0.1, 0.0], kept=kept)
    assert (right.count, right.beside) == (2, False)
    (wrong,) = rows([0.1, 0.1, -0.1], kept=kept)
    assert (wrong.count, wrong.beside) == (2, True)
    assert wrong.value == pytest.approx(0.2)


def test_the_spread_is_a_share_of_the_largest_weight() -> None:
    (found,) = rows([1e-3, 1.5e-3])
    assert found.spread == pytest.approx(0.25 / 1.5)
    (more,) = rows([1e-3, 1e-3, 1.6e-3])
    assert more.spread == pytest.approx(0.4 / 1.6)
    assert rows([1.0])[0].spread == 0


@pytest.mark.parametrize(("share", "even"), [(60, True), (80, False)])
def test_a_spread_within_64_roundings_is_none(share: float, *, even: bool) -> None:
    (found,) = rows([1.0, 1.0 + 2 * share * UNIT])
    assert (found.spread == 0) is even


SEQUENCES = np.array([[0.1, 0.1, 0.0], [0.3, 0.0, 0.0], [0.0, 0.0, 0.0]])


def test_weights_that_differ_only_between_sequences_are_a_part_for_each() -> None:
    found = rows(SEQUENCES)
    assert [one.count for one in found] == [2, 1]
    assert [one.value for one in found] == pytest.approx([0.2, 0.3])
    assert [one.read for one in rows(SEQUENCES, [(0, 2.0)])] == pytest.approx([0.2, 0.3])
    kept = np.array([[True, True, False], [True, False, False], [False] * 3])
    beside = rows(SEQUENCES + np.diag([0, 0, 0.1])[::-1], kept=kept)
    assert [one.beside for one in beside] == [True, False]


@pytest.mark.parametrize(
    "read",
    [
        np.full((2, 3), 0.1),  # all alike
        [[0.1, 0.2, 0.1], [0.1, 0.1, 0.1]],  # different inside a sequence
        [0.1, 0.2],  # no sequences
    ],
)
def test_other_weights_stay_one_part(read: Any) -> None:
    assert len(rows(read)) == 1


def test_one_tap_uneven_inside_its_sequences_keeps_all_of_its_term_whole() -> None:
    taps = [
        Tapped(term, {k: np.asarray(read)}, UNIT)
        for k, (term, read) in enumerate(
            [("loss", SEQUENCES), ("loss", SEQUENCES.T), ("boxes", SEQUENCES)]
        )
    ]
    factors = {(0, k): 1.0 for k in range(3)}
    found = rows_of([taps], factors, dict.fromkeys(factors, 0.0))
    assert [(one.term, one.batch) for one in found] == [
        ("loss", 0),
        ("loss", 1),
        ("boxes", 2),
        ("boxes", 2),
    ]


@pytest.mark.parametrize(("sequences", "parts"), [(512, 512), (513, 1)])
def test_more_than_512_sequences_are_not_told_apart(sequences: int, parts: int) -> None:
    assert len(rows(np.arange(1.0, sequences + 1)[:, None] * np.ones(2))) == parts


@pytest.mark.parametrize(
    ("read", "verdict", "by_number"),
    [
        ([1 / 16] * 3, "exact", True),
        ([1 / 20] * 3, "exact", False),
        ([1 / (3 * n) for n in (5, 2, 9)], "mean-of-means", True),
        ([1 / (3 * c) for c in (4, 7, 9)], "mean-of-means", False),
        ([0.1, 0.2, 0.3], "reweighted", True),
    ],
)
def test_sums_with_class_weights_are_over_them_or_over_the_targets(
    read: Sequence[float], verdict: str, by_number: object
) -> None:
    pairs = zip(read, (4.0, 7.0, 9.0), (5.0, 2.0, 9.0), strict=True)
    taps = tuple(
        Tapped("loss", {k: np.array(w)}, UNIT, count=count, number=number, summed=True)
        for k, (w, count, number) in enumerate(pairs)
    )
    step = Stepped("SGD", (0, 1, 2), ("weight",), None)
    report = judged([Seen(taps, (step,), {})])
    assert report.verdict.value == verdict
    assert any("the number of targets fits" in note for note in report.notes) is by_number


@pytest.mark.parametrize(
    ("saved", "count", "belied"),
    [
        (5.0, 5.0, False),
        (5.0, 5.004, True),  # a count is a whole number, exactly
        (5.0, 5.5, True),
        (5.5, 5.504, False),  # a sum of weights may be rounded
        (5.5, 5.51, True),
        (5.5, 6.0, True),
        (5.0, None, False),
    ],
)
def test_a_loss_belies_a_count_that_it_does_not_use(
    saved: float, count: float | None, *, belied: bool
) -> None:
    assert Tapped("loss", {}, UNIT, count=count, saved=saved).belies() is belied


def test_targets_that_the_loss_leaves_out_do_not_count_where_nothing_came_back() -> None:
    [part] = rows(np.zeros(4), ignored=np.array([True, False, False, False]))
    assert part.count == 3
