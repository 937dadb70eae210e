"""From what taps read to a report: made-up sketches and readings of one or more workers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from gradexplain.audit.tap.judged import _of_way, judged
from gradexplain.audit.tap.path import route
from gradexplain.audit.tap.seen import Seen, Stepped, Tapped
from gradexplain.audit.tap.sketches import Sketches
from gradexplain.audit.tap.ways import ways_of
from gradexplain.audit.tell.advice import UNREDUCED
from gradexplain.audit.tell.report import Report

UNIT = 2.0**-24
COUNTS = 5, 2, 9
N = sum(COUNTS)
NAMES = "embed", "layer.weight", "layer.bias", "head"
T, M = len(NAMES), 131


@dataclass
class World:
    """What K passes of each worker add, and what the optimizer is handed."""

    workers: int = 1
    seed: int = 0
    noise: float = 1e-8
    added: list[Any] = field(default_factory=list)
    handed: Any = None
    held: Any = None

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        scale = np.array([3.0, 1.0, 1e-3, 10.0])[:, None]
        self.added = [rng.standard_normal((len(COUNTS), T, M)) * scale for _ in range(self.workers)]
        self.held = np.zeros((T, M))
        self.handed = sum(one.sum(0) for one in self.added) / self.workers
        self.handed = self.handed * (1 + self.noise * rng.standard_normal((T, M)))

    def seen(self, weights: Sequence[Any] | None = None, **changed: Any) -> list[Seen]:
        """Return what the workers saw, if each pass holds one loss of these weights."""
        found = []
        for w in range(self.workers):
            mine = (
                [self.workers * n / N / self.workers for n in COUNTS]
                if weights is None
                else weights
            )
            taps = tuple(
                Tapped("loss", {k: np.asarray(value, float)}, UNIT, count=float(n))
                for k, (value, n) in enumerate(zip(mine, COUNTS, strict=True))
            )
            sketches = Sketches(NAMES, self.added[w], self.held, self.handed, UNIT)
            step = Stepped("SGD", (0, 1, 2), NAMES, sketches, clips=(1.0,) * T)
            found.append(replace(Seen(taps, (step,), {}), **changed))
        return found


def step_of(seen: Seen, **changed: Any) -> Seen:
    """Return what was seen with another step."""
    return replace(seen, steps=(replace(seen.steps[0], **changed),))


def text(report: Report) -> str:
    return " ".join(str(report).split())


def test_a_right_step_is_exact() -> None:
    report = judged(World().seen())
    assert report.ok is True
    assert report.weights == pytest.approx([n / N for n in COUNTS])
    assert report.details == ("From backward to SGD: × 1 in every pass.",)
    assert report.head == "3 tapped losses"


def test_a_mean_of_means_is_named() -> None:
    assert judged(World().seen([1 / 3] * 3)).verdict.value == "mean-of-means"


def test_the_weight_that_counts_is_the_product() -> None:
    world = World()
    world.handed = world.added[0][2]
    report = judged(world.seen())
    assert report.verdict.value == "dropped"
    assert report.weights == pytest.approx([0, 0, COUNTS[2] / N])
    assert report.details == (
        "From backward to SGD, pass by pass: × 0, × 0, × 1.",
        "Read at the losses: 0.3125, 0.125, 0.5625.",
    )


def test_a_common_factor_is_measured() -> None:
    world = World()
    world.handed = world.handed / 1024
    report = judged(world.seen([n * 1024 / N for n in COUNTS]))
    assert report.ok is True
    assert report.details[0] == "From backward to SGD: × 0.0009766 in every pass."


def test_what_was_held_before_is_found() -> None:
    world = World()
    world.held = np.random.default_rng(1).standard_normal((T, M))
    assert judged(world.seen()).ok is True  # it was zeroed
    world.handed = world.handed + world.held
    report = judged(world.seen())
    assert report.verdict.value == "extra-term"
    assert "the step before, × 1:" in report.claim


@pytest.mark.parametrize("factor", [0.0, 0.5, 2.0])
def test_a_parameter_that_took_another_way_is_named(factor: float) -> None:
    world = World()
    world.handed[2] *= factor
    report = judged(world.seen())
    assert report.verdict.value == "uneven"
    assert [name for name, _ in report.parameters] == ["the others", "layer.bias"]
    assert report.ok is False


def test_a_parameter_with_something_else_in_it_is_unexplained() -> None:
    world = World()
    world.handed[1] += np.random.default_rng(2).standard_normal(M)
    report = judged(world.seen())
    assert report.verdict.value == "uneven"
    assert "differs from what the backward passes added" in dict(report.parameters)["layer.weight"]


def test_a_gradient_of_something_else_is_unexplained() -> None:
    world = World()
    world.handed = world.handed + np.random.default_rng(2).standard_normal((T, M)) * world.handed
    report = judged(world.seen())
    assert report.verdict.value == "unexplained"
    assert any(note.startswith("At the losses themselves: A is the mean") for note in report.notes)


def test_half_precision_on_the_way_is_noted() -> None:
    report = judged(on_two([n / N for n in COUNTS], noise=5e-4))
    assert report.ok is True
    assert judged(World(noise=5e-4).seen()).verdict.value == "unexplained"
    assert "about as much as sending the gradient in half precision would change" in text(report)


def test_a_clip_is_divided_out() -> None:
    world = World()
    world.handed = world.handed * 0.14
    (seen,) = world.seen()
    report = judged([step_of(seen, clips=(0.14,) * T)])
    assert report.ok is True
    assert "The gradient was clipped, × 0.14" in text(report)
    assert judged([seen]).verdict.value == "rescaled"
    assert judged([seen], clipped=True).ok is True


@pytest.mark.parametrize(
    ("scale", "shown"),
    [(1024.0, "2^10"), (1 / 1024, "2^−10"), (1000.0, "1000"), (2.0, "2"), (4.0, "2^2")],
)
def test_a_bound_that_may_be_meant_for_scaled_gradients_is_asked_about(
    scale: float, shown: str
) -> None:
    world = World(noise=0.0)
    left = 0.5 * world.handed
    world.handed = left / scale
    (seen,) = world.seen([n / N * scale for n in COUNTS])
    clip = {"clips": (0.5,) * T, "bounds": (2 * scale,) * T, "lengths": (4 * scale,) * T}
    report = judged([step_of(seen, left=left, scale=scale, **clip)])
    clipped = "The gradient was clipped, × 0.5; the averaging is judged without the clip."
    assert (report.verdict.value, report.notes) == ("ambiguous", (clipped,))
    assert report.claim == (
        f"The gradient was clipped while still scaled by {shown}: is the bound, {2 * scale:.4g}, "
        f"meant for {shown} times the gradient?"
    )


def test_clips_by_groups_are_divided_out() -> None:
    world = World()
    clips = 0.5, 0.5, 0.25, 1.0
    world.handed = world.handed * np.array(clips)[:, None]
    (seen,) = world.seen()
    report = judged([step_of(seen, clips=clips)])
    assert report.ok is True
    assert "by as much as × 0.25" in text(report)


def test_a_clip_by_value_spoils_the_direction() -> None:
    (seen,) = World().seen()
    report = judged([step_of(seen, cut=("head",))])
    assert report.ok is False
    assert "1 parameters, first head" in report.claim
    assert judged([step_of(seen, cut=NAMES)]).ok is False


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_gradient_that_is_not_finite_is_said(bad: float) -> None:
    world = World()
    world.handed[0, 0] = bad
    assert judged(world.seen()).claim == "The optimizer got a gradient that is not finite."


def test_a_pass_without_a_tap_leaves_it_open() -> None:
    (seen,) = World().seen()
    report = judged([replace(seen, taps=seen.taps[1:], untapped={0: "embed"})])
    assert report.ok is None
    assert report.claim.startswith("Backward pass 0 changed what the optimizer got, through embed")
    unread = judged([replace(seen, taps=seen.taps[1:], not_read=("it is fused",))])
    assert "It was not read: it is fused." in unread.notes


def test_nothing_tapped_is_an_error() -> None:
    (seen,) = World().seen()
    with pytest.raises(ValueError, match=r"none was tapped \(no reason\): add `loss = step.tap"):
        judged([replace(seen, taps=(), not_read=("no reason",))])


def test_batches_without_targets_are_left_out() -> None:
    (seen,) = World().seen([5 / 14, 0.3, 9 / 14])
    empty = replace(seen.taps[1], count=0.0)
    report = judged([replace(seen, taps=(seen.taps[0], empty, seen.taps[2]))])
    assert report.ok is True
    assert "Micro-batches without targets, left out: 1." in report.notes


@pytest.mark.parametrize(
    ("count", "words"), [(0.0, "Micro-batch 1 has no targets, and its mean is 0/0."), (2.0, "loss")]
)
def test_a_loss_that_is_not_finite_is_a_note_where_the_gradients_are(
    count: float, words: str
) -> None:
    (seen,) = World().seen()
    taps = [replace(tap, count=n) for tap, n in zip(seen.taps, (5.0, count, 9.0), strict=True)]
    taps[1] = replace(taps[1], finite=False)
    if count == 0:
        taps[0], taps[2] = (
            replace(tap, read={k: np.asarray(n / 14)})
            for k, tap, n in ((0, taps[0], 5), (2, taps[2], 9))
        )
    report = judged([replace(seen, taps=tuple(taps))])
    assert report.ok is True
    assert words in text(report)
    spoiled = World()
    spoiled.handed[0, 0] = np.nan
    (seen,) = spoiled.seen()
    report = judged([replace(seen, taps=tuple(taps))])
    assert report.ok is False
    assert words in report.claim


def test_a_step_without_any_target_has_no_mean_to_judge() -> None:
    (seen,) = World().seen()
    seen = replace(seen, taps=tuple(replace(tap, count=0.0) for tap in seen.taps))
    report = judged([seen])
    assert (report.ok, report.parts) == (None, ())
    assert report.claim == "No micro-batch has a target, so there is no mean to judge."
    assert report.to_do == "Watch a step whose micro-batches have targets."
    assert "Micro-batches without targets, left out: 3." in report.notes
    assert str(report)
    assert report.to_dict()["parts"] == []
    taps = tuple(replace(tap, finite=False) for tap in seen.taps)
    spoiled = judged([step_of(replace(seen, taps=taps), sketches=None)])
    assert spoiled.claim.startswith("Micro-batch 0 has no targets, and its mean is 0/0.")


def test_two_optimizers_that_no_tapped_loss_reached_leave_it_open() -> None:
    (seen,) = World().seen()
    taps = tuple(replace(tap, read={}) for tap in seen.taps)
    (step,) = seen.steps
    assert step.sketches is not None
    half = replace(step.sketches, handed=0.5 * step.sketches.handed)
    other = replace(step, optimizer="Adam", sketches=half)
    report = judged([replace(seen, taps=taps, steps=(step, other))])
    assert report.ok is None
    assert "no loss in it was tapped" in report.claim


def test_targets_show_their_weights_without_counts() -> None:
    (seen,) = World().seen()
    taps = tuple(
        Tapped("loss", {k: np.where(np.arange(10) < n, 1 / N, 0.0)}, UNIT)
        for k, n in enumerate(COUNTS)
    )
    report = judged([replace(seen, taps=taps)])
    assert report.ok is True
    assert [part.count for part in report.parts] == list(COUNTS)


def test_an_unreduced_loss_that_never_came_back_counts_all_its_targets() -> None:
    world = World()
    world.added[0] = world.added[0][[0, 2]]
    world.handed = world.added[0].sum(0)
    (seen,) = world.seen()
    seen = step_of(seen, passes=(0, 2))
    read = [{k: np.full(n, 1 / N)} for k, n in enumerate(COUNTS)]
    read[1] = {}
    taps = tuple(Tapped("loss", own, UNIT, shape=(n,)) for own, n in zip(read, COUNTS, strict=True))
    report = judged([replace(seen, taps=taps)])
    assert report.verdict.value == "dropped"
    assert "No gradient came back to parts[1]" in text(report)


def test_means_by_sequence_are_split_into_sequences() -> None:
    (seen,) = World().seen()
    lengths = (4, 1), (2, 6), (3, 3)
    taps = []
    for k, pair in enumerate(lengths):
        kept = np.arange(6) < np.array(pair)[:, None]
        weights = kept / np.array(pair)[:, None] / 6
        taps.append(Tapped("loss", {k: weights}, UNIT, kept=kept))
    report = judged([replace(seen, taps=tuple(taps))])
    assert report.verdict.value == "mean-of-means"
    assert report.head == "3 tapped losses, 6 sequences"


@pytest.mark.parametrize("beside", [0.0, 0.01])
def test_targets_that_do_not_count_must_have_no_weight(beside: float) -> None:
    (seen,) = World().seen()
    kept = [np.arange(10) < n for n in COUNTS]
    taps = tuple(
        Tapped("loss", {k: np.where(own, 1 / N, beside)}, UNIT, kept=own)
        for k, own in enumerate(kept)
    )
    assert judged([replace(seen, taps=taps)]).ok is (beside == 0)


def test_weights_that_differ_inside_a_batch_are_named() -> None:
    (seen,) = World().seen()
    weights = [np.full(n, 1 / N) for n in COUNTS]
    weights[2] = weights[2] * (1 + 0.1 * np.array([1, -1, 1, -1, 0, 0, 0, 1, -1]))
    taps = tuple(Tapped("loss", {k: own}, UNIT) for k, own in enumerate(weights))
    report = judged([replace(seen, taps=taps)])
    assert report.verdict.value == "reweighted"
    assert report.claim.startswith("Inside parts[2], the targets' weights differ")


def test_sums_are_weighed_by_their_counts() -> None:
    (seen,) = World().seen([1 / N] * 3)
    taps = tuple(replace(tap, summed=True) for tap in seen.taps)
    assert judged([replace(seen, taps=taps)]).ok is True
    assert judged([seen]).verdict.value == "parts-are-sums"


def test_a_weight_that_is_uncertain_is_not_told() -> None:
    world = World()
    world.added[0][1] = world.added[0][0]
    world.handed = world.added[0][0] * 1.5 + 3 * world.added[0][2]
    report = judged(world.seen())
    assert report.weights[:2] == (None, None)
    assert report.ok is None


def of_two_terms(
    workers: int = 1, names: str = "cross-entropy,aux", **factors: float
) -> list[Seen]:
    """Return what workers saw of two terms without weights, each a mean times its factor."""
    found = []
    for seen in World(workers).seen():
        taps = [
            replace(
                tap, term=name, read={k: np.asarray(read * factor) for k, read in tap.read.items()}
            )
            for name, factor in zip(names.split(","), factors.values(), strict=True)
            for tap in seen.taps
        ]
        found.append(replace(seen, taps=tuple(taps)))
    return found


@pytest.mark.parametrize(
    ("workers", "one", "other", "says"),
    [
        (1, 1 / 3, 0.1 / 3, "Cross-entropy counts 1/3 of a mean, and there are 3 micro-batches: "),
        (1, 1 / 3, 1 / 3, "Every term counts 1/3 of a mean, and there are 3 micro-batches: "),
        (1, 3, 0.3, "Cross-entropy counts 3 times a mean, and there are 3 micro-batches: is a "),
        (
            2,
            1 / 2,
            0.1,
            "Cross-entropy counts 1/2 of a mean, and there are 3 micro-batches on each ",
        ),
        (2, 1 / 6, 1 / 6, "Every term counts 1/6 of a mean, and there are 3 micro-batches on each"),
        (2, 2, 0.4, "Cross-entropy counts 2 times a mean"),
    ],
)
def test_terms_that_all_are_off_by_a_factor_of_loops_are_asked_about(
    workers: int, one: float, other: float, says: str
) -> None:
    """What each worker reads is averaged over them."""
    report = judged(of_two_terms(workers, one=one, other=other))
    assert (report.ok, report.verdict.value) == (None, "ambiguous")
    assert report.claim.startswith(says)
    assert "declare the terms' weights" in report.to_do
    assert len(report.terms) == 2


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1 / 3), (1 / 3, 1), (0.9, 1 / 3), (0.7, 0.7), (1.0000001, 3)]
)
def test_a_right_loop_s_coefficients_are_not_asked_about(one: float, other: float) -> None:
    assert judged(of_two_terms(one=one, other=other)).ok is True


def test_a_coefficient_that_was_declared_is_not_asked_about() -> None:
    (seen,) = of_two_terms(one=1 / 3, other=0.1)
    declared = [replace(t, weight=1 / 3 if t.term == "cross-entropy" else None) for t in seen.taps]
    assert judged([replace(seen, taps=tuple(declared))]).ok is True


def test_the_main_one_of_other_terms_is_the_largest() -> None:
    assert judged(of_two_terms(names="a,b", one=0.1, other=1 / 3)).claim.startswith(
        "B counts 1/3 of"
    )
    assert judged(of_two_terms(names="a,b", one=0.9, other=1 / 3)).ok is True


def test_a_factor_is_no_accusation_where_other_terms_pass_no_tap() -> None:
    weights = [1e-3 * n / N for n in COUNTS]
    (seen,) = World().seen(weights)
    assert judged([seen]).verdict.value == "rescaled"
    beside = replace(seen, untapped={0: "head"})
    report = judged([beside])
    assert report.ok is None
    assert report.claim == (
        "Loss counts 0.001 times a mean, and other terms of the objective bypass the tap: is the "
        "factor meant?"
    )
    declared = [replace(tap, weight=1.0) for tap in seen.taps]
    assert judged([replace(beside, taps=tuple(declared))]).verdict.value == "rescaled"
    assert judged([beside], expect=[n / N for n in COUNTS]).verdict.value == "rescaled"


def test_that_holds_for_a_single_loss() -> None:
    world = World()
    (seen,) = world.seen([0.1, 0, 0])
    added = world.added[0][:1]
    sketches = Sketches(NAMES, added, world.held, added[0], UNIT)
    alone = step_of(replace(seen, taps=seen.taps[:1]), passes=(0,), sketches=sketches)
    report = judged([replace(alone, untapped={0: "head"})])
    assert report.claim.startswith("Loss counts 0.1 times a mean, and other terms of the objective")


def test_another_term_beside_the_main_one_does_not_change_that() -> None:
    (seen,) = of_two_terms(names="loss,aux", one=0.1, other=0.5)
    assert judged([seen]).verdict.value == "rescaled"
    report = judged([replace(seen, untapped={0: "head"})])
    assert report.claim.startswith("Loss counts 0.1 times a mean")


def test_two_optimizers_have_a_report_each() -> None:
    (seen,) = World().seen()
    lost = World(seed=1)
    lost.handed = lost.added[0][2]
    (other,) = lost.seen()
    second = replace(other.steps[0], optimizer="AdamW")
    report = judged([replace(seen, steps=(seen.steps[0], second))])
    assert report.verdict.value == "dropped"
    assert [name for name, _ in report.parameters] == ["SGD", "AdamW"]
    alike = replace(World(seed=2).seen()[0].steps[0], optimizer="AdamW")
    report = judged([replace(seen, steps=(seen.steps[0], alike))])
    assert report.details == ("From backward to SGD and AdamW: × 1 in every pass.",)


def test_a_term_belongs_to_the_optimizer_that_gets_it() -> None:
    (seen,) = World().seen()
    terms = "judge", "maker"
    taps = tuple(
        replace(seen.taps[k], term=term, read={k: np.array(1.0)}) for k, term in enumerate(terms)
    )
    steps = []
    for k in range(2):
        world = World(seed=k)
        sketches = Sketches(NAMES, world.added[0][:2], world.held, world.added[0][k], UNIT)
        steps.append(Stepped("SGD", (0, 1), NAMES, sketches, (1.0,) * T))
    report = judged([replace(seen, taps=taps, steps=tuple(steps))])
    assert report.ok is True
    assert [name for name, _ in report.parameters] == ["SGD (judge)", "SGD (maker)"]


def on_two(weights: Sequence[float], **world: Any) -> list[Seen]:
    return World(workers=2, **world).seen(weights)


def test_workers_are_one_step() -> None:
    right = [n / N for n in COUNTS]
    report = judged(on_two(right))
    assert report.ok is True
    assert report.head == "6 tapped losses on 2 workers"
    assert report.details[0] == "From backward to SGD: × 0.5 in every pass."
    assert [part.worker for part in report.parts] == [0, 0, 0, 1, 1, 1]
    assert str(report).splitlines()[3:6:2] == [
        "part  worker      count   expected       read   read/expected",
        "   1       0          2     0.0625     0.0625               1",
    ]
    assert all(part.worker is None for part in judged(World().seen()).parts)
    assert judged(on_two([1 / 3] * 3)).verdict.value == "mean-of-means"
    assert judged(on_two([n / N / 2 for n in COUNTS])).factor == pytest.approx(0.5)


def test_workers_that_disagree_are_found_though_each_looks_right_to_itself() -> None:
    first, second = on_two([n / N for n in COUNTS])
    sketches = second.steps[0].sketches
    assert sketches is not None
    doubled = replace(sketches, handed=2 * sketches.handed)
    report = judged([first, step_of(second, sketches=doubled)])
    assert report.verdict.value == "workers-disagree"
    assert len(report.workers) == 2
    assert report.workers[1] == pytest.approx([2 * (w or 0) for w in report.workers[0]])


def test_workers_must_step_the_same() -> None:
    first, second = on_two([n / N for n in COUNTS])
    with pytest.raises(ValueError, match=r"must step the same optimizers, not \[1, 2\] of them"):
        judged([first, replace(second, steps=second.steps * 2)])
    other = replace(second.steps[0].sketches, names=("a", "b", "c", "d"))  # type: ignore[type-var]
    with pytest.raises(ValueError, match="worker 1's differ from worker 0's"):
        judged([first, step_of(second, sketches=other)])


@pytest.mark.parametrize("unit", [2.0**-24, 2.0**-9])
def test_gradients_zeroed_once_are_read_though_passes_are_alike(unit: float) -> None:
    world = World(noise=unit)
    world.added[0][1] = world.added[0][0] * 1.001
    for first in range(3):
        handed = world.added[0][first:].sum(0)
        sketches = Sketches(NAMES, world.added[0], world.held, handed, unit)
        found = route(sketches, (1.0,), 2.0**-8)
        assert found.factors.tolist() == [float(k >= first) for k in range(3)]


def test_factors_are_solved_one_by_one_where_no_guess_fits() -> None:
    world = World()
    c = np.array([0.5, 0.0, 1.0])
    handed = np.tensordot(c, world.added[0], 1)
    found = route(Sketches(NAMES, world.added[0], world.held, handed, UNIT), (1.0,), 2.0**-8)
    assert found.factors == pytest.approx(c, abs=1e-9)
    assert found.factors[1] == 0
    assert found.remainder <= found.tolerance


def test_the_reasons_why_nothing_was_tapped_are_the_workers_each_once() -> None:
    first, second = on_two([n / N for n in COUNTS])
    untapped = [replace(one, taps=(), not_read=("why", "and why")) for one in (first, second)]
    with pytest.raises(ValueError, match=r"none was tapped \(why\): add"):
        judged(untapped)
    untapped[1] = replace(untapped[1], not_read=("another",))
    with pytest.raises(ValueError, match=r"none was tapped \(why\) \(another\): add"):
        judged(untapped)


def test_a_term_of_no_weight_stays_in_the_report_of_one_optimizer() -> None:
    (seen,) = World().seen()
    aux = [replace(tap, term="aux", read={0: np.array(0.0)}) for tap in seen.taps[:1]]
    report = judged([replace(seen, taps=(*seen.taps, *aux))])
    assert [part.term for part in report.parts] == ["loss"] * 3 + ["aux"]


def test_an_optimizer_that_was_handed_nothing_lacks_the_terms_that_came_back() -> None:
    (seen,) = World().seen()
    lost = World(seed=1)
    lost.handed = 0 * lost.handed
    second = replace(lost.seen()[0].steps[0], optimizer="AdamW")
    report = judged([replace(seen, steps=(seen.steps[0], second))])
    assert report.verdict.value == "dropped"
    assert report.claim == "A contains none of these parts: all of them were dropped."
    assert [name for name, _ in report.parameters] == ["SGD", "AdamW"]


def test_what_hides_the_weights_keeps_the_other_notes() -> None:
    (seen,) = World().seen()
    seen = replace(step_of(seen, cut=("head",)), coupled=("BatchNorm 1",))
    report = judged([seen])
    assert report.verdict.value == "unexplained"
    assert any(note.startswith("BatchNorm 1 normalizes") for note in report.notes)


def test_layers_that_couple_examples_are_named_where_there_is_more_than_one_part() -> None:
    (seen,) = World().seen()
    coupled = replace(seen, coupled=("BatchNorm 1", "BatchNorm 2", "BatchNorm 1"))
    note = judged([coupled]).notes[-1]
    assert note.startswith("BatchNorm 1 normalizes a micro-batch by its own statistics")
    two = judged([replace(coupled, taps=seen.taps[:2])])
    assert any("normalizes" in note for note in two.notes)
    assert two.head == "2 tapped losses"
    world = World()
    world.added = [world.added[0][:1]]
    world.handed = world.added[0][0]
    alone = step_of(
        replace(coupled, taps=(replace(seen.taps[0], read={0: np.array(1.0)}),)),
        passes=(0,),
        sketches=Sketches(NAMES, world.added[0], world.held, world.handed, UNIT),
    )
    report = judged([alone])
    assert not any("normalizes" in note for note in report.notes)
    assert report.head == "1 tapped loss"
    assert report.details == ("From backward to SGD: × 1 in every pass.",)


def test_workers_that_differ_are_told_where_and_keep_the_other_notes() -> None:
    first, second = on_two([n / N for n in COUNTS])
    sketches = second.steps[0].sketches
    assert sketches is not None
    doubled = sketches.handed * np.array([1, 2, 1, 2])[:, None]
    second = replace(step_of(second, sketches=replace(sketches, handed=doubled)), coupled=("Norm",))
    report = judged([first, second])
    assert report.notes[0] == "Parameters whose gradients differ: 2, first layer.weight."
    assert report.notes[1].startswith("Norm normalizes")
    assert not any("same gradient" in note for note in report.notes)
    assert "All 2 workers end with the same gradient." in judged(on_two([1 / 3] * 3)).notes
    assert not any("same gradient" in note for note in judged(World().seen()).notes)


def test_a_loss_that_is_not_finite_is_said() -> None:
    (seen,) = World().seen()
    taps = (seen.taps[0], replace(seen.taps[1], finite=False), seen.taps[2])
    report = judged([replace(seen, taps=taps)])
    assert report.ok is True  # the gradients are
    assert "The loss of micro-batch 1 is not finite." in report.notes


def test_a_pass_without_a_tap_may_have_no_name_and_its_first_reason_is_told() -> None:
    (seen,) = World().seen()
    report = judged([replace(seen, taps=seen.taps[1:], not_read=("it is fused", "it is late"))])
    assert "through a parameter, but no loss in it was tapped" in report.claim
    named = judged([replace(seen, taps=seen.taps[1:], untapped={0: "embed"})])
    assert not any("without passing a tap" in note for note in named.notes)
    assert [note for note in report.notes if "not read" in note] == [
        "It was not read: it is fused."
    ]


def test_a_path_beside_the_tap_is_noted_where_its_pass_was_tapped_and_counts() -> None:
    (seen,) = World().seen()
    report = judged([replace(seen, untapped={2: "head", 1: "embed"})])
    (note,) = report.notes
    assert note.startswith("A term of the objective reaches head without passing a tap, so its")
    assert report.line == f"{report.summary} {note}"
    assert judged([replace(seen, untapped={7: "head"})]).notes == ()
    world = World()
    world.handed = world.added[0][1:].sum(0)
    (zeroed,) = world.seen()
    assert not any("head" in n for n in judged([replace(zeroed, untapped={0: "head"})]).notes)


@pytest.mark.parametrize(
    ("strays", "label"), [([2], "layer.bias"), ([1, 3], "layer.weight and 1 more")]
)
def test_parameters_that_took_one_way_are_one_line(strays: list[int], label: str) -> None:
    world = World()
    world.handed[strays] *= 2
    report = judged(world.seen())
    assert [name for name, _ in report.parameters] == ["the others", label]
    assert report.parameters[0][1] == "A is the mean gradient."
    assert report.parameters[1][1].startswith("A is the mean gradient, times 2.")


def test_three_parameters_of_one_way_are_counted() -> None:
    (seen,) = World().seen()
    names = tuple("abcdefgh")
    rng = np.random.default_rng(3)
    added = rng.standard_normal((3, len(names), M))
    handed = added.sum(0)
    handed[[1, 4, 6]] *= 2
    handed[7] += rng.standard_normal(M)
    sketches = Sketches(names, added, 0 * handed, handed, UNIT)
    report = judged([step_of(seen, names=names, sketches=sketches, clips=(1.0,) * 8)])
    assert [name for name, _ in report.parameters] == ["the others", "b and 2 more", "h"]
    assert report.parameters[2][1].endswith("differs from what the backward passes added.")


@pytest.mark.parametrize(
    ("weights", "says"), [("right", "A is the mean"), ("alike", "A weighs every")]
)
@pytest.mark.parametrize("workers", [1, 2])
def test_what_the_losses_say_is_judged_as_if_nothing_had_happened_on_the_way(
    weights: str, says: str, workers: int
) -> None:
    world = World(workers=workers)
    world.handed[0, 0] = np.nan
    given = {"right": [n / N for n in COUNTS], "alike": [1 / 3] * 3}[weights]
    report = judged(world.seen(given))
    (at_the_losses,) = (note for note in report.notes if note.startswith("At the losses"))
    assert at_the_losses.startswith(f"At the losses themselves: {says}")
    assert "times" not in at_the_losses


def test_of_several_optimizers_the_one_that_is_off_is_reported_or_else_the_one_left_open() -> None:
    (seen,) = World().seen()
    open_world = World(seed=1)
    open_world.added[0][1] = open_world.added[0][0]
    open_world.handed = open_world.added[0][0] * 1.5 + 3 * open_world.added[0][2]
    unread = replace(open_world.seen()[0].steps[0], optimizer="Lion")
    lost = World(seed=2)
    lost.handed = lost.added[0][2]
    dropped = replace(lost.seen()[0].steps[0], optimizer="AdamW")
    report = judged([replace(seen, steps=(seen.steps[0], unread))])
    assert report.ok is None
    report = judged([replace(seen, steps=(seen.steps[0], unread, dropped))])
    assert report.verdict.value == "dropped"
    assert [name for name, _ in report.parameters] == ["SGD", "Lion", "AdamW"]
    assert judged([seen]).parameters == ()


def test_terms_of_an_optimizer_are_listed_in_its_name() -> None:
    (seen,) = World().seen()
    terms = "judge", "maker", "maker"
    taps = tuple(replace(tap, term=term) for tap, term in zip(seen.taps, terms, strict=True))
    other = World(seed=1)
    other.handed = 0.5 * other.handed
    second = replace(other.seen()[0].steps[0], optimizer="AdamW")
    report = judged([replace(seen, taps=taps, steps=(seen.steps[0], second))])
    assert [name for name, _ in report.parameters] == ["SGD (judge, maker)", "AdamW (judge, maker)"]


def test_what_to_do_and_to_ask_is_said_in_the_words_of_taps() -> None:
    world = World()
    world.handed = 0.5 * world.handed
    rescaled = judged(world.seen())
    assert rescaled.to_do.endswith("pass expect=[...] if these weights are meant.")
    assert rescaled.questions[0].startswith("Do you clip with code of your own?")
    assert not any("power of two" in one for one in rescaled.questions)
    world.handed = 8 * world.handed
    asked = judged(world.seen()).questions
    assert [one for one in asked if "power of two" in one]
    assert not [one for one in asked if "clip" in one or "skipped" in one or "shifted" in one]
    (seen,) = World().seen()
    assert judged([step_of(seen, cut=("head",))]).to_do.startswith("Clip by norm")
    assert judged([seen]).to_do.startswith("Nothing. Other steps")
    assert judged(World().seen([1 / 3] * 3)).to_do.startswith("Add up summed losses")


def test_where_no_worker_s_optimizer_gets_anything_the_reduction_is_asked_about() -> None:
    world = World(workers=2)
    world.handed = 0 * world.handed
    assert judged(world.seen()).questions == (UNREDUCED,)
    alone = World()
    alone.handed = 0 * alone.handed
    assert UNREDUCED not in judged(alone.seen()).questions


def test_a_way_that_was_not_watched_is_said_and_taken_for_plain() -> None:
    (seen,) = World().seen()
    report = judged([step_of(seen, sketches=None)])
    assert report.ok is True
    assert report.details == (
        "What happens between backward and the optimizer was not watched (path=False).",
    )


@pytest.mark.parametrize(("number", "more"), [(8, ""), (9, ", …")])
def test_eight_factors_and_weights_are_shown(number: int, more: str) -> None:
    rng = np.random.default_rng(4)
    added = rng.standard_normal((number, T, M))
    handed = added[1:].sum(0)
    sketches = Sketches(NAMES, added, 0 * handed, handed, UNIT)
    step = Stepped("SGD", tuple(range(number)), NAMES, sketches, (1.0,) * T)
    taps = tuple(Tapped("loss", {k: np.array(0.5)}, UNIT, count=1.0) for k in range(number))
    shown = judged([Seen(taps, (step,), {})]).details
    assert shown == (
        f"From backward to SGD, pass by pass: × 0, {', '.join(['× 1'] * 7)}{more}.",
        f"Read at the losses: {', '.join(['0.5'] * 8)}{more}.",
    )


def test_weights_at_the_losses_are_shown_where_they_differ_by_a_millionth() -> None:
    world = World(noise=0.0)
    world.handed = world.handed * (1 + 8e-6)
    assert len(judged(world.seen()).details) == 2


def test_weights_at_the_losses_are_shown_however_small_they_are() -> None:
    tiny = [1e-10 * n / N for n in COUNTS]
    world = World()
    world.handed = 0.5 * world.handed
    _, read = judged(world.seen(tiny), expect=tiny).details
    assert read == "Read at the losses: 3.125e−11, 1.25e−11, 5.625e−11."


BFLOAT16 = 2.0**-8


def rounded(passes: int, seed: int) -> tuple[Any, Any]:
    """Return what passes add, and a function that accumulates it as bfloat16 does."""
    rng = np.random.default_rng(seed)
    added = rng.standard_normal((passes, T, M)) + rng.standard_normal((T, M))

    def accumulated(factors: Any, start: Any = 0.0) -> Any:
        total = start
        for factor, one in zip(factors, added, strict=True):
            total = total + factor * one
            total = total * (1 + BFLOAT16 / 2 * rng.uniform(-1, 1, (T, M)))
        return total

    return added, accumulated


@pytest.mark.parametrize("passes", [4, 16, 32, 64])
@pytest.mark.parametrize("seed", range(2))
def test_coarse_arithmetic_hides_no_pass(passes: int, seed: int) -> None:
    added, accumulated = rounded(passes, seed)
    held = np.random.default_rng(9).standard_normal((T, M))

    def found(handed: Any, before: Any = None) -> Any:
        before = np.zeros((T, M)) if before is None else before
        return route(Sketches(NAMES, added, before, handed, BFLOAT16), (1.0,), 0.0)

    ones = np.ones(passes)
    assert found(accumulated(ones)).factors.tolist() == ones.tolist()
    dropped = np.where(np.arange(passes) == 2, 0.0, 1.0)
    assert found(accumulated(dropped)).factors.tolist() == dropped.tolist()
    zeroed = np.where(np.arange(passes) < 2, 0.0, 1.0)
    assert found(accumulated(zeroed)).factors.tolist() == zeroed.tolist()
    shrunk = np.where(np.arange(passes) < passes // 2, 0.8, 1.0)
    assert found(accumulated(shrunk)).factors == pytest.approx(shrunk, abs=0.02)
    assert found(accumulated(ones, held), held).held == pytest.approx(1.0, abs=0.1)


# What a loss itself says of its targets


def with_taps(**changed: Any) -> list[Seen]:
    [seen] = World().seen([1.0, 1.0, 1.0] if changed.get("scaled") else None)
    return [replace(seen, taps=tuple(replace(tap, **changed) for tap in seen.taps))]


def test_a_count_that_the_loss_belies_leaves_it_open() -> None:
    report = judged(with_taps(saved=7.0))
    assert (report.verdict, report.ok) == ("ambiguous", None)
    assert report.claim.startswith("The loss of parts[0] itself averages over 7 targets")
    assert judged(with_taps(saved=7.0), expect=[n / N for n in COUNTS]).ok is True


def test_a_count_that_the_loss_confirms_changes_nothing() -> None:
    [seen] = World().seen()
    taps = tuple(replace(tap, saved=tap.count) for tap in seen.taps)
    assert judged([replace(seen, taps=taps)]).ok is True


def test_losses_that_all_read_one_after_a_scaling_leave_it_open() -> None:
    assert judged(with_taps(scaled=True)).ok is None
    assert judged(World().seen([1.0, 1.0, 1.0])).ok is False
    assert judged(of_scaled([0.5, 0.5, 0.5])).claim.startswith("Every loss reads 0.5, and was")
    assert judged(of_scaled([0.5, 0.5, 0.7])).ok is False
    for weight, ok in ((1.0, None), (0.5, False)):
        [seen] = of_scaled([weight] * 3)
        assert judged([replace(seen, apart=True)]).ok is ok


def of_scaled(weights: Sequence[float], *times: float, **changed: Any) -> list[Seen]:
    """Return what was seen of losses that were multiplied before they were tapped."""
    [seen] = World().seen(weights)
    known = times or [None] * len(COUNTS)
    each = zip(seen.taps, known, strict=True)
    taps = tuple(replace(tap, **{"scaled": True, "times": t} | changed) for tap, t in each)
    return [replace(seen, taps=taps)]


SHARES = [n / N for n in COUNTS]


@pytest.mark.parametrize(
    ("weights", "times", "ok", "claim"),
    [
        ([1, 1, 1], SHARES, True, "A is the mean gradient."),
        ([1 / 3] * 3, [3 * share for share in SHARES], True, "A is the mean gradient."),
        ([3 * share for share in SHARES], [1 / 3] * 3, True, "A is the mean gradient."),
        ([1, 1, 1], [1 / 3] * 3, False, "A weighs every part alike."),
        ([1 / 3] * 3, [10] * 3, False, "A weighs every part alike, times 10."),
        (SHARES, [10] * 3, None, "The loss of parts[0] was multiplied by 10 before it was tapped."),
        ([2 * share for share in SHARES], [5] * 3, None, "The loss of parts[0] was multiplied by"),
        (SHARES, [1, 1, 2], None, "The loss of parts[2] itself averages over 4.5 targets"),
        ([0.1, 0.5, 0.6], [2, 1, 1], False, "A is a weighted sum of the parts, but not by the"),
        (SHARES, [1, 1, 1], True, "A is the mean gradient."),
        ([1 / 3] * 3, [1, 1, 1], False, "A weighs every part alike."),
        ([1 / 3] * 3, [1 + 5e-6] * 3, False, "A weighs every part alike"),
    ],
)
def test_losses_are_judged_as_they_were_before_they_were_scaled(
    weights: Sequence[float], times: Sequence[float], ok: object, claim: str
) -> None:
    report = judged(of_scaled(weights, *times))
    assert report.ok is ok, report
    assert report.claim.startswith(claim)
    noted = any(each.startswith("The losses were tapped after") for each in report.notes)
    assert noted is (times != [1, 1, 1] and ok is not None and "weighted sum" not in claim)


def test_an_empty_micro_batch_was_scaled_by_nothing() -> None:
    [seen] = of_scaled([1, 1, 1], 5 / 14, 1.0, 9 / 14)
    empty = replace(seen.taps[1], count=0.0, times=None, scaled=False)
    report = judged([replace(seen, taps=(seen.taps[0], empty, seen.taps[2]))])
    assert report.claim == "A is the mean gradient."
    assert report.notes[-1].startswith("The losses were tapped after")
    [seen] = of_scaled([0.5, 0, 0.5], 1, 1, 1)
    report = judged([replace(seen, taps=(seen.taps[0], empty, seen.taps[2]))])
    assert report.verdict.value == "mean-of-means"
    assert not any(each.startswith("The losses were tapped after") for each in report.notes)


def test_a_part_before_its_scaling_keeps_what_was_read_and_rounds_more() -> None:
    everyone = of_scaled([1, 1, 1], *SHARES)
    [way] = ways_of(everyone, clipped=False)
    one = _of_way(everyone, way, "target", several=False)
    assert one is not None
    assert [row.read for row in one.rows] == pytest.approx(SHARES)
    assert [row.value for row in one.rows] == pytest.approx(SHARES)
    assert {row.unit for row in one.rows} == {4 * everyone[0].taps[0].unit}
    assert not any(row.tapped for row in one.rows)


def test_a_step_that_is_right_or_open_as_tapped_is_not_accused_by_what_came_before() -> None:
    assert judged(of_scaled(SHARES, 2, 2, 2, scaled=False)).ok is True
    assert judged(of_scaled([1 / N] * 3, 3, 3, 3, scaled=False)).ok is None


def test_half_of_half_a_squared_error_must_be_so_in_every_micro_batch() -> None:
    counts = [1.0, 5.0, 9.0]
    [seen] = of_scaled([n / 15 for n in counts], 0.5, 0.5, 0.5, halved=True)
    taps = [replace(tap, count=n) for tap, n in zip(seen.taps, counts, strict=True)]
    assert judged([replace(seen, taps=tuple(taps))]).ok is True
    taps[0] = replace(taps[0], halved=False)
    assert judged([replace(seen, taps=tuple(taps))]).ok is None


def test_a_sum_that_is_tapped_as_a_mean_is_judged_as_a_sum_and_never_accused() -> None:
    def plain(weights: Sequence[float]) -> Report:
        return judged(of_scaled(weights, *COUNTS, scaled=False))

    assert plain([1 / N] * 3).ok is True
    assert plain([1.0] * 3).claim == f"A is the mean gradient, times {N}."
    assert plain(SHARES).ok is True  # several means may have been added up


def test_weights_of_ones_own_are_those_of_the_losses_as_they_were_tapped() -> None:
    assert judged(of_scaled([1, 1, 1], 2, 2, 2), expect=[1, 1, 1]).ok is True
    halved = of_scaled(SHARES, 0.5, 0.5, 0.5, halved=True)
    assert judged(halved).ok is True  # half a squared error


def test_counts_in_proportion_to_the_losss_own_are_no_contradiction() -> None:
    [seen] = World().seen()
    taps = tuple(replace(tap, saved=5 * (tap.count or 0)) for tap in seen.taps)
    assert judged([replace(seen, taps=taps)]).ok is True


def test_a_step_that_is_right_by_the_losss_own_counts_is_not_accused() -> None:
    rows = [2.0, 2.0, 2.0]
    [seen] = World().seen()
    each = list(zip(seen.taps, rows, strict=True))
    taps = tuple(replace(tap, saved=tap.count, count=n) for tap, n in each)
    report = judged([replace(seen, taps=taps)])
    assert report.ok is None
    assert report.claim.startswith("The loss of parts[0] itself averages over 5 targets")
    sums = tuple(
        replace(tap, saved=tap.count, count=n, summed=True, read={k: np.asarray(1 / N)})
        for k, (tap, n) in enumerate(each)
    )
    assert judged([replace(seen, taps=sums)]).ok is None
    unknown = (replace(taps[0], saved=None), *taps[1:])
    assert judged([replace(seen, taps=unknown)]).ok is False
    wrong = tuple(replace(t, read={k: np.asarray(k + 1.0)}) for k, t in enumerate(taps))
    assert judged([replace(seen, taps=wrong)]).ok is False


def test_targets_that_the_loss_leaves_out_weigh_nothing() -> None:
    [seen] = World().seen()
    taps = []
    for k, n in enumerate(COUNTS):
        ignored = np.arange(10) >= n
        weights = np.full(10, 1 / N)
        taps.append(Tapped("loss", {k: weights}, UNIT, kept=~ignored, ignored=ignored))
    assert judged([replace(seen, taps=tuple(taps))]).ok is True
    open_ones = tuple(replace(tap, ignored=None) for tap in taps)
    assert judged([replace(seen, taps=open_ones)]).ok is False


# Terms, and the one whose weight is 1


def of_terms(**weights: Sequence[float]) -> list[Seen]:
    """Return what was seen of terms, each with a weight for each pass."""
    [seen] = World().seen()
    taps = [
        Tapped(term, {k: np.asarray(value, float)}, UNIT, count=float(n))
        for term, values in weights.items()
        for k, (value, n) in enumerate(zip(values, COUNTS, strict=True))
    ]
    return [replace(seen, taps=tuple(taps))]


RIGHT = [n / N for n in COUNTS]


def test_without_a_main_term_only_proportions_are_judged() -> None:
    small = [0.01 * weight for weight in RIGHT]
    assert judged(of_terms(entropy=small, policy=RIGHT)).ok is True
    assert judged(of_terms(entropy=small, loss=RIGHT)).ok is True
    wrong = judged(of_terms(entropy=[0.01 / 3] * 3, policy=RIGHT))
    assert wrong.verdict.value == "mean-of-means"
    assert judged(of_terms(entropy=small)).verdict.value == "rescaled"
    assert judged(of_terms(entropy=RIGHT, loss=small)).verdict.value == "rescaled"


def test_given_weights_are_of_the_main_term() -> None:
    given = [0.5, 0.25, 0.25]
    assert judged(of_terms(entropy=RIGHT, loss=given), expect=given).ok is True
    assert judged(of_terms(entropy=given), expect=given).ok is True
    said = r"""no term is called 'loss', not 3 weights: the terms are entropy, policy"""
    with pytest.raises(ValueError, match=said):
        judged(of_terms(entropy=given, policy=given), expect=given)


def test_an_empty_micro_batch_has_its_place_among_given_weights() -> None:
    [seen] = of_terms(loss=[0.5, 0.0, 0.5])
    first, second, third = seen.taps
    seen = replace(seen, taps=(first, replace(second, count=0.0), third))
    assert judged([seen], expect=[0.5, 0.0, 0.5]).ok is True
    assert judged([seen], expect=[0.4, 0.0, 0.6]).ok is False


def test_the_table_shows_what_was_read() -> None:
    [seen] = World().seen()
    counts = 50.0, 51.0, 49.0
    taps = [replace(tap, count=n, unit=2.0**-8) for tap, n in zip(seen.taps, counts, strict=True)]
    even = [replace(tap, read={k: np.array(1 / 3)}) for k, tap in enumerate(taps)]
    report = judged([replace(seen, taps=tuple(even))])
    assert report.weights == pytest.approx([1 / 3] * 3, rel=1e-12)
    assert report.ok is None
    assert "0.34     0.3333               1" in str(report)


def test_rounding_in_float32_is_not_shown() -> None:
    [seen] = World().seen([n / N * (1 + 1e-7) for n in COUNTS])
    assert judged([seen]).weights == tuple(n / N for n in COUNTS)
