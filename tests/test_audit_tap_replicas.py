"""Ranks that hold one model together count as one worker, and shards make one gradient."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_audit_tap import COUNTS, NAMES, N, T, World, step_of, text

from gradexplain.audit.tap.judged import judged
from gradexplain.audit.tap.replicas import alike, as_workers
from gradexplain.audit.tap.seen import Seen

REPLICAS = "replicas must be ranks that work on the same micro-batches, but"


def copies(seen: Seen, ranks: int = 2) -> list[Seen]:
    """Return what so many ranks of one model saw."""
    return [replace(seen, replicas=tuple(range(ranks))) for _ in range(ranks)]


def without_losses(seen: Seen, prefix: str) -> Seen:
    """Return a pipeline's stage that has no loss, and parameters of its own."""
    names = tuple(prefix + name for name in NAMES)
    sketches = replace(seen.steps[0].sketches, names=names)  # type: ignore[type-var]
    changed = step_of(seen, names=names, sketches=sketches)
    return replace(changed, taps=(), not_read=("it has no loss",), untapped={0: "x"})


def shards_of(everyone: list[Seen], holders: Sequence[tuple[int, ...]]) -> list[Seen]:
    """Give each worker its shard: some columns of what the optimizers are handed."""
    found = []
    for rank, (one, own) in enumerate(zip(everyone, holders, strict=True)):
        sketches = one.steps[0].sketches
        assert sketches is not None
        columns = np.arange(sketches.handed.shape[-1]) % len(own) == own.index(rank)
        part = replace(sketches, handed=sketches.handed * columns, held=sketches.held * columns)
        found.append(step_of(one, sketches=part, holders=own))
    return found


def test_replicas_count_once() -> None:
    report = judged(copies(World().seen()[0]))
    assert report.ok is True
    assert report.weights == pytest.approx([n / N for n in COUNTS])
    assert report.head == "3 tapped losses"
    assert "Every 2 ranks hold one model together, as you said. All 2 have the same" in text(report)
    assert judged(copies(World().seen([1 / 3] * 3)[0])).verdict.value == "mean-of-means"


def test_a_rank_alone_is_a_worker() -> None:
    everyone = World(workers=2).seen()
    assert as_workers(everyone) == everyone
    alone = [replace(one, replicas=(rank,)) for rank, one in enumerate(everyone)]
    assert as_workers(alone) == alone
    assert "hold one model together" not in text(judged(alone))


def test_parameters_of_one_name_are_told_apart() -> None:
    first, second = copies(World().seen()[0])
    sketches = second.steps[0].sketches
    assert sketches is not None
    lost = replace(sketches, handed=sketches.handed * np.array([1, 1, 0, 1])[:, None])
    report = judged([first, step_of(second, sketches=lost, cut=())])
    assert report.verdict.value == "uneven"
    assert report.parameters[1][0] == "layer.bias (replica 1)"
    (one,) = as_workers([step_of(first, cut=("head",)), second])
    assert one.steps[0].cut == ("head (replica 0)",)
    assert len(one.steps[0].clips) == 2 * T


def test_clips_of_all_ranks_are_kept() -> None:
    left = np.ones((T, 131))
    first, second = (
        step_of(one, bounds=(bound,) * T, lengths=(2.0 * bound,) * T, left=bound * left)
        for one, bound in zip(copies(World().seen()[0]), (1.0, 3.0), strict=True)
    )
    (step,) = as_workers([first, second])[0].steps
    assert step.bounds == (1.0,) * T + (3.0,) * T
    assert step.lengths == (2.0,) * T + (6.0,) * T
    assert step.left is not None
    assert step.left[:, 0].tolist() == [1.0] * T + [3.0] * T
    (step,) = as_workers([first, step_of(second, left=None)])[0].steps
    assert step.left is None


def test_of_a_pipeline_the_losses_of_the_last_stage_count() -> None:
    first, last = copies(World().seen()[0])
    report = judged([without_losses(first, "a."), last])
    assert report.ok is True
    assert "Losses come from 1 of them, and count once." in text(report)
    (one,) = as_workers([without_losses(first, "a."), last])
    assert one.steps[0].names == tuple("a." + name for name in NAMES) + NAMES
    assert (one.untapped, one.not_read) == ({}, ())


def test_two_pipelines_are_two_workers() -> None:
    one, other = World(workers=2).seen()
    everyone = [without_losses(one, "a."), one, without_losses(other, "a."), other]
    for rank, each in enumerate(everyone):
        everyone[rank] = replace(each, replicas=(rank - rank % 2, rank - rank % 2 + 1))
    report = judged(everyone)
    assert report.head == "6 tapped losses on 2 workers"
    assert report.ok is True


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"count": 4.0}, r"loss 0 is 0 of 5 targets on rank 0, 0 of 4 targets on rank 1: ranks"),
        ({"value": 2.0}, r"loss 0 is 0 of 5 targets on rank 0, 2 of 5 targets on rank 1: ranks"),
        ({"term": "aux"}, r"loss 0 is"),
        (
            {"shape": (3,), "count": None},
            f"^{REPLICAS} loss 0 is 0 of 5 targets on rank 0, 0 on rank 1: ranks",
        ),
    ],
)
def test_ranks_with_other_losses_are_no_replicas(changed: dict[str, Any], said: str) -> None:
    first, second = copies(World().seen()[0])
    taps = (replace(second.taps[0], **changed), *second.taps[1:])
    with pytest.raises(ValueError, match=said):
        as_workers([first, replace(second, taps=taps)])
    with pytest.raises(ValueError, match=f"^{REPLICAS} 3 losses are tapped on rank 0, 2 on rank 1"):
        as_workers([first, replace(second, taps=second.taps[:2])])


def test_what_couples_passes_or_is_in_the_way_on_one_rank_is_so_for_all() -> None:
    first, second = copies(World().seen()[0])
    both = [replace(first, coupled=("b",)), replace(second, coupled=("a", "b"))]
    [together] = as_workers(both)
    assert together.coupled == ("b", "a")
    assert together.steps[0].obstacle == ""


def test_losses_that_differ_by_rounding_are_the_same() -> None:
    first, second = (
        replace(one, taps=tuple(replace(tap, value=value) for tap in one.taps))
        for one, value in zip(copies(World().seen()[0]), (2.0, 2.0015), strict=True)
    )
    assert len(as_workers([first, second])) == 1


def test_groups_must_hold_each_rank_once() -> None:
    one = World().seen()[0]
    for groups in [((0, 1), (0, 1), (2,)), ((0, 1), (1, 2), (2,))]:
        everyone = [replace(one, replicas=group) for group in groups]
        with pytest.raises(ValueError, match=r"^replicas must put each rank into one group, all"):
            as_workers(everyone)


def test_ranks_of_one_model_step_alike() -> None:
    first, second = copies(World().seen()[0])
    with pytest.raises(ValueError, match=r"step the same number of optimizers, not \[0, 1\]"):
        as_workers([first, replace(second, steps=())])
    report = judged([first, step_of(second, passes=(0, 1))])
    assert "(ranks of one model ran different numbers of backward passes)." in text(report)
    report = judged([first, step_of(second, sketches=None, obstacle="path=False")])
    assert "was not watched (path=False)." in text(report)


def test_shards_are_put_together() -> None:
    everyone = shards_of(World(workers=2).seen(), [(0, 1), (0, 1)])
    report = judged(everyone)
    assert report.ok is True
    assert "Each of 2 workers holds a shard of the gradient" in text(report)
    world = World(workers=2)
    world.held = np.random.default_rng(1).standard_normal(world.held.shape)
    world.handed = world.handed + world.held
    report = judged(shards_of(world.seen(), [(0, 1), (0, 1)]))
    assert report.verdict.value == "extra-term"
    assert "the step before, × 1:" in report.claim


def test_groups_that_hold_all_shards_are_compared() -> None:
    pairs = [(0, 1), (0, 1), (2, 3), (2, 3)]
    everyone = shards_of(World(workers=4).seen(), pairs)
    assert judged(everyone).ok is True
    sketches = everyone[2].steps[0].sketches
    assert sketches is not None
    doubled = replace(sketches, handed=2 * sketches.handed)
    everyone[2] = step_of(everyone[2], sketches=doubled)
    assert judged(everyone).verdict.value == "workers-disagree"


def test_replicas_that_are_sharded_over_the_others() -> None:
    """Ranks 0 and 1 are stages of one pipeline, 2 and 3 of another; a stage is sharded over two."""
    one, other = shards_of(World(workers=2).seen(), [(0, 1), (0, 1)])
    everyone = [
        replace(step_of(each, holders=holders), replicas=group)
        for each, holders, group in zip(
            (one, one, other, other),
            [(0, 2), (1, 3), (0, 2), (1, 3)],
            [(0, 1), (0, 1), (2, 3), (2, 3)],
            strict=True,
        )
    ]
    assert [each.steps[0].holders for each in as_workers(everyone)] == [(0, 1), (0, 1)]
    assert judged(everyone).ok is True


def test_the_same_data_on_two_workers_is_said() -> None:
    everyone = [
        replace(one, taps=tuple(replace(tap, value=1.0 + k) for k, tap in enumerate(one.taps)))
        for one in World(workers=3).seen()
    ]
    first = replace(everyone[0].taps[0], value=9.0)
    everyone[0] = replace(everyone[0], taps=(first, *everyone[0].taps[1:]))
    assert alike(everyone) == (1, 2)
    assert "The losses of workers 1 and 2 are equal to the last digit." in text(judged(everyone))
    assert alike(World(workers=2).seen()) == ()


def test_losses_that_nothing_added_up_are_said() -> None:
    seen = replace(World().seen()[0], returned=1)
    assert (
        "because their gradients were added to nothing, as when a pipeline tries out its shapes: 1."
        in text(judged([seen]))
    )
    assert "nothing added up" not in text(judged(World().seen()))


def test_an_average_is_assumed_where_the_way_was_not_watched() -> None:
    everyone = [step_of(one, sketches=None) for one in World(workers=2).seen()]
    report = judged(everyone)
    (detail,) = report.details
    assert detail.endswith("not watched (path=False): an average over 2 workers is assumed.")
    assert "end with the same gradient" not in text(report)
