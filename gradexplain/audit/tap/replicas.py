"""Ranks that work on the same micro-batches, put together into one worker.

Under tensor parallelism each of them holds a part of the model and computes the same losses; of a
pipeline only the last has a loss. Their targets are counted once, and the gradients of each are
followed: what one holds are further parameters of the worker that they make.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gradexplain.audit.tap.seen import Seen, Stepped, Tapped
from gradexplain.audit.tap.sketches import Sketches

_SAME = 1e-3  # how far the losses of ranks with the same data may differ, as a share


def as_workers(everyone: Sequence[Seen]) -> list[Seen]:
    """Return what each worker saw, each made of the ranks that work on the same micro-batches.

    Raises:
        ValueError: the ranks do not form groups of one size, or those of one have different losses.
    """
    groups = sorted({one.replicas or (rank,) for rank, one in enumerate(everyone)})
    if groups == [(rank,) for rank in range(len(everyone))]:
        return list(everyone)
    size = len(groups[0])
    if any(len(group) != size for group in groups) or sorted(sum(groups, ())) != list(
        range(len(everyone))
    ):
        raise ValueError(f"replicas must put each rank into one group, all of one size: {groups}")
    place = {rank: worker for worker, group in enumerate(groups) for rank in group}
    return [_together({rank: everyone[rank] for rank in group}, place) for group in groups]


def alike(everyone: Sequence[Seen]) -> tuple[int, ...]:
    """Return the first workers with losses equal to the last digit: they have the same data."""
    found: dict[tuple[tuple[float | None, float], ...], list[int]] = {}
    for worker, one in enumerate(everyone):
        losses = tuple((tap.count, tap.value) for tap in one.taps)
        if any(value for _, value in losses):
            found.setdefault(losses, []).append(worker)
    return next((tuple(same) for same in found.values() if len(same) > 1), ())


def _together(members: Mapping[int, Seen], place: Mapping[int, int]) -> Seen:
    with_losses = [rank for rank, one in members.items() if one.taps]
    for rank in with_losses[1:]:
        _check_same(members, with_losses[0], rank)
    numbers = sorted({len(one.steps) for one in members.values()})
    if len(numbers) > 1:
        raise ValueError(f"each rank must step the same number of optimizers, not {numbers}")
    first = members[with_losses[0]] if with_losses else next(iter(members.values()))
    main = list(members.values()).index(first)
    steps = zip(*(one.steps for one in members.values()), strict=True)
    coupled = tuple(dict.fromkeys(name for one in members.values() for name in one.coupled))
    stacked = tuple(_stacked(each, main, place) for each in steps)
    return replace(first, steps=stacked, coupled=coupled, losses_on=len(with_losses))


def _check_same(members: Mapping[int, Seen], one: int, other: int) -> None:
    """Check that two ranks have the same losses.

    Raises:
        ValueError: they have not.
    """
    taps, others = members[one].taps, members[other].taps
    wanted = "replicas must be ranks that work on the same micro-batches, but"
    if len(taps) != len(others):
        raise ValueError(
            f"{wanted} {len(taps)} losses are tapped on rank {one}, {len(others)} on rank {other}"
        )
    for k, (tap, its) in enumerate(zip(taps, others, strict=True)):
        off = abs(tap.value - its.value) > _SAME * max(abs(tap.value), abs(its.value))
        if off or (tap.term, tap.count, tap.shape) != (its.term, its.count, its.shape):
            raise ValueError(
                f"{wanted} loss {k} is {_told(tap)} on rank {one}, {_told(its)} on rank {other}: "
                "ranks with data of their own are not replicas"
            )


def _told(tap: Tapped) -> str:
    return f"{tap.value:.6g}" + ("" if tap.count is None else f" of {tap.count:g} targets")


def _stacked(steps: Sequence[Stepped], main: int, place: Mapping[int, int]) -> Stepped:
    """Return one step of all parameters that the ranks hold; passes go by their order."""
    often = Counter(name for step in steps for name in step.names)

    def named(names: Sequence[str], at: int) -> tuple[str, ...]:
        return tuple(f"{name} (replica {at})" if often[name] > 1 else name for name in names)

    sketches = [step.sketches for step in steps if step.sketches is not None]
    obstacle = next((step.obstacle for step in steps if step.obstacle), "")
    if len({len(step.passes) for step in steps}) > 1:
        obstacle = obstacle or "ranks of one model ran different numbers of backward passes"
    left = [step.left for step in steps if step.left is not None]
    names = sum((named(step.names, at) for at, step in enumerate(steps)), ())
    return replace(
        steps[main],
        names=names,
        sketches=None if obstacle else _beside(names, sketches),
        clips=sum((step.clips for step in steps), ()),
        bounds=sum((step.bounds for step in steps), ()),
        lengths=sum((step.lengths for step in steps), ()),
        left=np.concatenate(left) if len(left) == len(steps) else None,
        cut=sum((named(step.cut, at) for at, step in enumerate(steps)), ()),
        holders=tuple(sorted({place[rank] for rank in steps[main].holders})),
        obstacle=obstacle,
    )


def _beside(names: tuple[str, ...], every: Sequence[Sketches]) -> Sketches:
    longer = [one.longer for one in every if one.longer is not None]
    return Sketches(
        names,
        np.concatenate([one.added for one in every], axis=1),
        np.concatenate([one.held for one in every]),
        np.concatenate([one.handed for one in every]),
        max(one.unit for one in every),
        np.concatenate(longer) if longer else None,
    )
