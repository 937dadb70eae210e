"""What explains weights that are neither the expected ones nor alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from audits import COUNTS, PARTS, RIGHT, Gradient, plus, random_parts, report_of, times, weighted
from cases import evidence_of, known_case

from gradexplain import Verdict, audit_accumulation, sketch
from gradexplain.audit.judge import Case, Parts, Weights
from gradexplain.audit.judge.patterns import patterns

#: Parts without a common place: their weights are read without any rounding.
APART: list[Gradient] = [{"w": np.repeat(np.eye(4)[k], 4)} for k in range(4)]


def kinds(weights: npt.ArrayLike, expected: npt.ArrayLike = RIGHT, **parts: Any) -> list[str]:
    """Return the kinds of patterns in weights that were read where the loss hands them out."""
    case = known_case(np.asarray(weights, float), np.asarray(expected, float), **parts)
    return [found.kind for found in patterns(case)]


IN_PROPORTION = "They are in proportion to "


@pytest.mark.parametrize(
    ("weights", "note"),
    [
        (
            RIGHT[[1, 0, 2, 3]],
            "These are the expected weights in another order: the counts belong to other parts.",
        ),
        (RIGHT * [1, 2, 1, 1], "parts[1] is counted twice."),
        (RIGHT * [1, 2, 1, 2], "parts[1] and parts[3] are counted twice."),
        (RIGHT**2, IN_PROPORTION + "the squares of the counts"),
        (1 / RIGHT, IN_PROPORTION + "one over the counts"),
        ((np.array(COUNTS) + 1) / 139, IN_PROPORTION + "one target more per part"),
        ((np.array(COUNTS) - 1) / 131, IN_PROPORTION + "one target less per part"),
        ([0.1, 0.9, 0.4, -0.4], "Negative weights: parts[3]."),
        ([0.3, 0.3, 0.2, 0.1], "They are in the ratio 3 : 3 : 2 : 1. What do these numbers count?"),
    ],
)
def test_known_patterns_are_named(weights: npt.NDArray[np.float64], note: str) -> None:
    report = report_of(weights)
    assert report.verdict is Verdict.REWEIGHTED
    assert report.notes[0].startswith(note)
    nearly = report_of(np.asarray(weights) * [1.1, 1.07, 1.05, 0.93])
    assert not any(found.startswith(note) for found in nearly.notes if "Negative" not in note)


def test_a_sum_off_the_expected_one_has_no_name() -> None:
    report = report_of([0.41, 0.29, 0.19, 0.113])
    assert report.claim == "A is a weighted sum of the parts, but not by the expected weights."
    assert report.notes == ()


# Counts, and what becomes of them


def test_one_over_the_counts_is_named_of_a_count_of_one_too() -> None:
    inverse = 1 / np.array([10, 1, 30, 5])
    note = "They are in proportion to one over the counts: each part is divided by its count twice."
    assert note in report_of(inverse / inverse.sum(), [10, 1, 30, 5]).notes
    assert note in report_of([0.9, 0.1], [10, 90]).notes


def test_other_counts_explain_weights_by_their_names() -> None:
    sequences = np.array([3, 5, 4, 2])
    also = {"sequences": sequences, "boxes": [9, 8, 7, 1]}
    for factor in (1.0, 0.25):
        report = report_of(factor * sequences / sequences.sum(), also=also)
        assert report.verdict is Verdict.REWEIGHTED
        assert report.notes[0] == "They are in proportion to sequences."
        assert not any("boxes" in note for note in report.notes)
    assert not any("sequences" in note for note in report_of([0.4, 0.3, 0.2, 0.1], also=also).notes)


def test_a_part_may_hold_nothing_of_what_another_count_counts() -> None:
    boxes = np.array([3.0, 5.0, 4.0, 0.0])
    assert "in proportion" in kinds(boxes / 12, also={"boxes": boxes})
    assert kinds(boxes / 12, also={"boxes": np.append(boxes[:3], np.nan)}) == []


def test_counts_explain_weights_where_another_mean_is_intended() -> None:
    report = report_of(RIGHT, expect="part")
    assert report.notes == ("They are in proportion to the counts.",)
    assert "in proportion" not in kinds(RIGHT, RIGHT, counts=np.array(COUNTS))


def test_without_counts_none_explain() -> None:
    assert kinds(RIGHT**2) == []
    assert kinds(RIGHT**2, counts=np.array(COUNTS)) == ["counted twice over"]


def test_a_part_without_targets_has_no_count_to_divide_by_and_none_to_lose() -> None:
    counts = np.array([10.0, 90.0, 30.0, 0.0])
    inverse = np.array([1 / 10, 1 / 90, 1 / 30, 0])
    assert "divided twice" not in kinds(inverse, counts / 130, counts=counts)
    assert "one target less" not in kinds([9, 89, 29, -1], counts / 130, counts=counts)
    assert "one target more" in kinds([11, 91, 31, 1], counts / 130, counts=counts)
    ones = np.ones(4)  # one target less of each leaves none
    assert "one target less" not in kinds([0, 0, 0, 0.1], ones / 4, counts=ones)


def test_a_part_without_targets_is_neither_doubled_nor_clipped() -> None:
    right = np.array([10.0, 90.0, 30.0, 0.0]) / 130
    assert report_of(right * [1, 2, 1, 1], [10, 90, 30, 0]).notes == ("parts[1] is counted twice.",)
    assert report_of(right * [1, 0.4, 1, 1], [10, 90, 30, 0]).notes == ()


def test_a_part_counted_twice_is_named_where_nothing_is_rounded() -> None:
    A = weighted([0.5, 0.25, 0.25, 0.25], APART)
    report = audit_accumulation(A, APART, counts=[7, 7, 7, 7])
    assert report.notes == (
        "parts[0] is counted twice.",
        "They are in the ratio 2 : 1 : 1 : 1. What do these numbers count?",
    )


def test_negative_weights_are_named_with_their_parts() -> None:
    assert report_of([0.1, 1.2, 0.2, -0.5]).notes == ("Negative weights: parts[3].",)
    # F may flip the sign of all of them: then none is right, and none is clipped.
    full = weighted(-RIGHT, PARTS)
    flipped = audit_accumulation(weighted(-RIGHT * [2, 1.5, 3, 4], PARTS), PARTS, full=full)
    assert flipped.verdict is Verdict.REWEIGHTED
    assert flipped.notes == ("Negative weights: parts[0], parts[1], parts[2] and parts[3].",)


def test_a_part_that_is_lost_is_not_negative_and_not_clipped() -> None:
    report = report_of([0, 0.5, 0.3, 0.2])
    assert (report.verdict, report.notes) == (Verdict.REWEIGHTED, ())
    A = weighted([0.25, 0.125, 0.25, 0], APART)
    report = audit_accumulation(A, APART, counts=[7, 7, 7, 7])
    assert report.weights == (0.25, 0.125, 0.25, 0)
    assert (report.verdict, report.notes) == (Verdict.REWEIGHTED, ())


# Small integers


@pytest.mark.parametrize(
    "ratio", [(3, 3, 2), (1, 2), (5, 3, 2, 7), (6, 11, 12), (1, 12), (4, 6, 7)]
)
def test_ratios_of_small_integers_are_written_out(ratio: tuple[int, ...]) -> None:
    values = 0.0371 * np.array(ratio)
    (found,) = patterns(known_case(values, np.ones(len(ratio)) / len(ratio)))
    assert (found.kind, found.facts["ratio"]) == ("integers", ratio)


@pytest.mark.parametrize(
    "values",
    [
        (1, 13),
        (7, 11),  # no part weighs six units or less
        (1, 2.01),
        (1, 0, 2),
        (1, -2, 3),
        (1.0, 1.6180339887),
    ],
)
def test_other_ratios_are_not(values: tuple[float, ...]) -> None:
    expected = np.linspace(1, 2, len(values))
    assert "integers" not in kinds(np.array(values) / 17, expected / expected.sum())


def test_ratios_are_written_for_two_to_twelve_parts_that_were_all_read() -> None:
    assert kinds([0.5], [1.0]) == []
    for K, written in [(12, True), (13, False)]:
        ratio = np.array([1, 1, 2, 1, 3, 1, 1, 1, 1, 2, 1, 1, 1][:K])
        assert ("integers" in kinds(ratio / 40, np.ones(K) / K)) is written
    parts = [*PARTS[:3], times(PARTS[3], 0.0)]
    report = audit_accumulation(weighted([0.3, 0.3, 0.2, 0.1], parts), parts, counts=COUNTS)
    assert not any("3 : 3" in note for note in report.notes)


def test_ratios_that_rounding_blurs_are_not_integers() -> None:
    parts: list[Gradient] = [
        {"w": g} for g in np.random.default_rng(0).standard_normal((3, 20_000)).astype(np.float32)
    ]
    A, counts = weighted([0.3, 0.3, 0.2], parts), [10, 90, 30]
    report = audit_accumulation(A, parts, counts=counts)
    assert "They are in the ratio 3 : 3 : 2. What do these numbers count?" in report.notes
    report = audit_accumulation(A, parts, counts=counts, arithmetic="bfloat16")
    assert not any(note.startswith("They are in the ratio") for note in report.notes)


@pytest.mark.parametrize(
    ("off", "said"), [(2e-3, ["integers"]), (5e-3, ["integers"]), (8e-3, []), (2e-2, [])]
)
def test_ratios_may_be_off_by_what_the_weights_are(off: float, said: list[str]) -> None:
    values = np.array([0.3, 0.3 * (1 + off), 0.2])
    read = Weights(values, np.zeros(3), 3e-3, np.eye(3))
    expected = np.array([0.1, 0.2, 0.7])
    found = list(patterns(Case(read, Parts(expected, 1e-9 * expected))))
    assert [note.kind for note in found if note.kind == "integers"] == said


# The order of the parts


@pytest.mark.parametrize("step", [0.9, 0.5, 1.1, 2.0])
@pytest.mark.parametrize("alike", [False, True])
def test_weights_that_grow_or_shrink_by_the_same_step_are_geometric(
    step: float, *, alike: bool
) -> None:
    base = np.ones(4) / 4 if alike else RIGHT
    found = list(patterns(known_case(0.37 * base * step ** np.arange(4), RIGHT)))
    assert found[0].kind == "geometric"
    assert found[0].facts["step"] == pytest.approx(step)
    report = report_of(0.37 * base * step ** np.arange(4))
    assert report.verdict is Verdict.REWEIGHTED
    assert (
        f"They follow the order of the parts: each weighs {step:g} times the one before it."
    ) in report.notes


def test_a_loss_divided_by_the_index_is_harmonic() -> None:
    base = RIGHT / np.arange(1, 5)
    assert kinds(base) == ["harmonic"]
    assert kinds(3 * base / base.sum()) == ["harmonic"]
    assert "harmonic" in kinds(1 / np.arange(1, 5))
    assert kinds(base[::-1]) == []
    report = report_of(base)
    (note,) = report.notes
    assert note == (
        "They follow the order of the parts, as 1, 1/2, 1/3, …: is the loss divided by the index "
        "of the micro-batch?"
    )


@pytest.mark.parametrize(
    "weights",
    [
        RIGHT * [1, 0.9, 0.82, 0.729],
        RIGHT * [1, 1.0003, 1.0006, 1.0008],  # no step at all
        [-0.1, 0.5, 0.3, 0.3],
        [0.0, 0.5, 0.3, 0.3],
    ],
)
def test_other_orders_have_no_name(weights: npt.ArrayLike) -> None:
    found = kinds(weights)
    assert "geometric" not in found
    assert "harmonic" not in found


def test_an_order_beside_equal_parts_is_seen_where_there_is_none_beside_the_expected() -> None:
    assert "geometric" in kinds(np.array([1, 2, 4]) / 17, np.array([1, 3, 4]) / 8)
    assert "geometric" in kinds([0.1, 0.2, 0.4], [0.0, 0.5, 0.5])
    assert "geometric" not in kinds(RIGHT * 1.0005 ** np.arange(4))  # next to none


def test_two_parts_have_no_order() -> None:
    assert kinds([0.123, 0.877], [0.5, 0.5]) == []
    assert kinds([0.5, 0.25, 0.125], [1 / 3] * 3)[0] == "geometric"


def test_a_first_part_without_targets_has_no_step() -> None:
    assert kinds([0.0, 0.5, 0.3, 0.3], [0.0, 0.4, 0.3, 0.3]) == []


# Clipping, by actually clipping


def length(gradient: Gradient) -> float:
    return float(np.sqrt(sum(np.sum(np.square(v, dtype=np.float64)) for v in gradient.values())))


def clipped(gradient: Gradient, limit: float) -> Gradient:
    return times(gradient, min(1.0, limit / length(gradient)))


def of_lengths(*lengths: float, dtype: npt.DTypeLike = np.float64) -> list[Gradient]:
    parts = random_parts(len(lengths), seed=3)
    return [
        {n: np.asarray(each * v / length(part), dtype) for n, v in part.items()}
        for part, each in zip(parts, lengths, strict=True)
    ]


def each_clipped(parts: list[Gradient], weights: npt.ArrayLike, limit: float) -> Gradient:
    total = times(parts[0], 0.0)
    for weight, part in zip(np.asarray(weights), parts, strict=True):
        total = plus(total, clipped(times(part, float(weight)), limit))
    return total


def each_clipped_before_its_weight(
    parts: list[Gradient], weights: npt.ArrayLike, limit: float
) -> Gradient:
    return weighted(np.asarray(weights), [clipped(part, limit) for part in parts])


def running_clipped(parts: list[Gradient], weights: npt.ArrayLike, limit: float) -> Gradient:
    total = times(parts[0], 0.0)
    for weight, part in zip(np.asarray(weights), parts, strict=True):
        total = clipped(plus(total, part, float(weight)), limit)
    return total


BY_ITSELF = "Each part is clipped by itself"
RUNNING = "The running total is clipped"
FIVE = np.array([30, 10, 25, 15, 20])


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize(
    ("clip", "limit", "note"),
    [
        (each_clipped, 0.45, BY_ITSELF),
        (each_clipped_before_its_weight, 1.8, BY_ITSELF),
        (running_clipped, 0.8, RUNNING),
    ],
)
def test_clipping_is_recognized_where_it_explains_the_weights(
    clip: Callable[..., Gradient], limit: float, note: str, *, alike: bool
) -> None:
    parts = of_lengths(3.0, 1.0, 2.0, 4.0, 1.5)
    weights = np.full(5, 0.2) if alike else FIVE / 100
    A = clip(parts, weights, limit)
    report = audit_accumulation(A, parts, counts=FIVE)
    assert report.verdict is Verdict.REWEIGHTED
    (hint,) = [found for found in report.notes if "clipped" in found]
    assert hint.startswith(note)
    least = min(w / e for w, e in zip(report.weights, weights, strict=True) if w is not None)
    assert f"as little as {least:.4g} times what they should" in hint


def test_two_parts_or_one_running_total_are_enough_to_be_clipped() -> None:
    parts, counts = of_lengths(1, 1, 1, 1, 1), [40, 30, 10, 10, 10]
    report = audit_accumulation(
        each_clipped(parts, [0.4, 0.3, 0.1, 0.1, 0.1], 0.25), parts, counts=counts
    )
    assert any(found.startswith(BY_ITSELF) for found in report.notes)
    apart = [np.array(row, float) for row in np.diag([8, 4, 6, 1])]
    apart[3] -= apart[0] / 2 + apart[1] / 2 + apart[2] / 2  # shortens the total, which then fits
    several: list[Gradient] = [{"w": np.repeat(row, 4)} for row in apart]
    A = running_clipped(several, [0.1, 0.3, 0.3, 0.3], 3.0)
    report = audit_accumulation(A, several, counts=[10, 30, 30, 30])
    ratios = np.array(report.weights, float) / np.array(report.expected)
    assert ratios[:3] == pytest.approx(ratios[0])
    assert ratios[3] == pytest.approx(1)
    assert any(found.startswith(RUNNING) for found in report.notes)


def test_clipping_beside_equal_parts_is_recognized_though_one_has_no_target() -> None:
    parts = of_lengths(3.0, 1.0, 2.0, 4.0, 1.5)
    counts = np.array([30, 10, 0, 15, 20])
    report = audit_accumulation(each_clipped(parts, np.full(5, 0.2), 0.45), parts, counts=counts)
    assert any(found.startswith(BY_ITSELF) for found in report.notes)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_is_recognized_in_every_arithmetic(dtype: npt.DTypeLike) -> None:
    parts = of_lengths(3.0, 1.0, 2.0, 4.0, 1.5, dtype=dtype)
    report = audit_accumulation(each_clipped(parts, FIVE / 100, 0.45), parts, counts=FIVE)
    assert any(found.startswith(BY_ITSELF) for found in report.notes)


def test_weights_that_only_look_clipped_are_not() -> None:
    """None weighs more than it should; but long gradients would have to weigh least."""
    parts = of_lengths(3.0, 1.0, 2.0, 4.0, 1.5)
    for ratios in ([1, 0.4, 1, 1, 1], [0.9, 1, 0.7, 0.8, 1], [0.5, 0.5, 1, 1, 0.5]):
        A = weighted(FIVE / 100 * ratios, parts)
        report = audit_accumulation(A, parts, counts=FIVE)
        assert report.verdict is Verdict.REWEIGHTED
        assert not any("clipped" in found for found in report.notes)


def test_a_weight_above_what_it_should_be_is_not_clipped() -> None:
    parts = of_lengths(3.0, 1.0, 2.0, 4.0, 1.5)
    A = plus(each_clipped(parts, FIVE / 100, 0.45), parts[1], 0.05)
    report = audit_accumulation(A, parts, counts=FIVE)
    assert not any("clipped" in found for found in report.notes)


def test_sketches_keep_no_lengths_so_nothing_is_said_of_clipping() -> None:
    parts = of_lengths(3.0, 1.0, 2.0, 4.0, 1.5)
    A = each_clipped(parts, FIVE / 100, 0.45)
    report = audit_accumulation(sketch(A), [sketch(part) for part in parts], counts=FIVE)
    assert report.verdict is Verdict.REWEIGHTED
    assert not any("clipped" in found for found in report.notes)


def test_weights_read_directly_have_no_lengths_to_be_clipped_by() -> None:
    assert kinds(FIVE / 100 * [0.5, 1, 0.9, 0.75, 1], FIVE / 100) == []


def long_parts(lengths: list[float], ratios: list[float], relative: float = 1e-6) -> list[str]:
    """Return the kinds of patterns in four parts of these lengths, cut down by these ratios."""
    base = np.ones(4) / 4
    values = base * ratios
    metric = np.diag(np.square(np.array(lengths) / base))
    read = Weights(values, np.zeros(4), relative, metric)
    case = Case(read, Parts(base, 0 * base), evidence_of(np.zeros(4, bool)))
    return [found.kind for found in patterns(case) if "clipped" in found.kind]


@pytest.mark.parametrize(
    ("lengths", "ratios", "relative", "clipped"),
    [
        ([8, 4, 1, 0.5], [0.25, 0.5, 1, 1], 1e-6, True),  # to a length of 2
        ([8, 4, 2.001, 0.5], [0.25, 0.5, 1, 1], 1e-6, True),
        ([8, 4, 2.003, 0.5], [0.25, 0.5, 1, 1], 1e-6, False),  # this one was let pass
        ([8, 4, 2.19, 0.5], [0.25, 0.5, 1, 1], 0.1, True),  # to rounding
        ([8, 4, 2.25, 0.5], [0.25, 0.5, 1, 1], 0.1, False),
        ([8, 4, 1, 0.5], [0.25, 0.501, 1, 1], 1e-6, True),
        ([8, 4, 1, 0.5], [0.25, 0.505, 1, 1], 1e-6, False),  # to two lengths
        ([8, 4, 1, 0.5], [0.25, 0.5, 1.01, 1], 1e-6, False),  # one weighs more than it should
        ([1, 1, 1, 1], [1, 1, 1, 1], 1e-6, False),
        ([8, 4, 1, 0.5], [0.25, 0.5, 1, 0], 1e-6, False),
        ([8, 4, 1, 0.5], [-0.25, 0.5, 1, 1], 1e-6, False),
    ],
)
def test_parts_are_clipped_to_one_length_and_only_those_that_are_longer(
    lengths: list[float], ratios: list[float], relative: float, *, clipped: bool
) -> None:
    assert long_parts(lengths, ratios, relative) == (["clipped parts"] if clipped else [])
