"""One loss that is tapped again and again: the whole batch's, in passes through a part of it each.

So contrastive losses see a large batch's negatives with little memory: the features of all
micro-batches are kept, and in each pass those of one are computed again. These passes add up to the
gradient of one loss, whatever their number, and no loop has to divide by it.
"""

from collections.abc import Sequence

import numpy as np

from gradexplain.audit.tap.rows import Row
from gradexplain.audit.tap.seen import Array, Seen, Tapped

_SAME = 1e-5  # how far the value of one loss may be off when it is computed again, as a share
_FINE = 1e-6  # a coarser type makes losses equal that are not one
_REPEATED = 1e-3  # how far the gradients of one micro-batch, passed again, may differ, as a share


def joint(everyone: Sequence[Seen], rows: Sequence[Row]) -> dict[str, int]:
    """Return the terms whose tapped losses may be one, and how often a worker has tapped each.

    They have the same value, count and targets, but each pass adds a gradient of its own.
    """
    found = {}
    for term in dict.fromkeys(row.term for row in rows):
        own: dict[int, list[Tapped]] = {}
        for row in rows:
            if row.term == term:
                own.setdefault(row.worker, []).append(everyone[row.worker].taps[row.batch])
        numbers = {len(taps) for taps in own.values()}
        if len(numbers) == 1 and all(_one(everyone[w], taps) for w, taps in own.items()):
            found[term] = numbers.pop()
    return found


def _one(seen: Seen, taps: Sequence[Tapped]) -> bool:
    """Tell whether a worker's losses may be one."""
    if seen.apart:
        return False
    first, passes = taps[0], [list(tap.read) for tap in taps]
    own = len({one for each in passes for one in each}) == len(taps) > 1
    if not own or any(len(each) > 1 for each in passes) or any(tap.shape for tap in taps):
        return False
    if not first.value or (first.unit > _FINE and not first.glance):
        return False
    return all(_alike(first, tap) for tap in taps) and _differ(seen, [one for (one,) in passes])


def _alike(one: Tapped, other: Tapped) -> bool:
    near = abs(one.value - other.value) <= max(_SAME, 2 * one.unit) * abs(one.value)
    return near and one.count == other.count and one.glance == other.glance


def _differ(seen: Seen, passes: Sequence[int]) -> bool:
    """Tell whether each pass added a gradient of its own, as far as that was watched."""
    added: dict[int, list[Array]] = {one: [] for one in passes}
    for step in seen.steps:
        if step.sketches is not None:
            for one, table in zip(step.passes, step.sketches.added, strict=True):
                if one in added:
                    added[one].append(table.ravel())
    every = [np.concatenate(tables) for tables in added.values() if tables]
    return not any(
        np.linalg.norm(one - other) <= _REPEATED * np.linalg.norm(one)
        for k, one in enumerate(every)
        for other in every[:k]
        if one.shape == other.shape
    )
