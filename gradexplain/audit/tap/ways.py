"""The way of the gradients to each optimizer, over all workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradexplain.audit.tap.fitted import Route, Stray
from gradexplain.audit.tap.path import route
from gradexplain.audit.tap.seen import Seen, Stepped
from gradexplain.audit.tap.sketches import Sketches, longer_than, sizes_of

Factors = Mapping[tuple[int, int], float]  # by worker and pass

#: What sending gradients in half precision may leave, as a share.
COARSE = 2.0**-8
_SAME = 1e-5  # how far the gradients of two workers may differ, as a share


@dataclass(frozen=True)
class Scaled:
    """A clip of gradients that were still scaled: by how much, and what that makes of the step."""

    scale: float
    factor: float  # the clip's factor, over that of a clip without the scale
    bound: float  # that was meant for the gradient, or for its multiple


@dataclass(frozen=True, eq=False)
class Way:
    """By which factor each pass of each worker reached an optimizer, and what else happened."""

    optimizer: str
    factors: Factors
    unsure: Factors
    obstacle: str = ""  # why it was not watched
    sharded: bool = False  # whether each worker is handed a shard
    held: float = 0.0
    remainder: float = 0.0
    tolerance: float = 1.0
    strays: tuple[Stray, ...] = ()
    clips: tuple[float, ...] = ()  # divided out
    clipped_scaled: "Scaled | None" = None
    clipped_early: float = 0.0  # the smallest clip of a worker's own gradient before the average
    cut: tuple[str, ...] = ()
    finite: bool = True
    hidden: float = 0.0  # by which share one pass's factor could be off, and rounding would hide it
    disagreeing: tuple[str, ...] = ()  # parameters whose gradients differ between the workers
    each: tuple[Factors, ...] = ()  # where workers disagree: the factors of each

    @property
    def watched(self) -> bool:
        """Whether the factors were measured."""
        return not self.obstacle

    @property
    def coarse(self) -> bool:
        """Whether more is left over than the gradients' own arithmetic leaves."""
        return not self.strays and self.tolerance == COARSE

    @property
    def relative(self) -> float:
        """How far a product of a weight and a factor may be off."""
        off = [
            self.unsure[key] / abs(c)
            for key, c in self.factors.items()
            if c != 0 and np.isfinite(self.unsure[key])
        ]
        return max(off, default=0.0)


def ways_of(everyone: Sequence[Seen], *, clipped: bool) -> list[Way]:
    """Return the way to each optimizer; optimizers whose gradients were treated alike share one.

    Raises:
        ValueError: the workers saw different optimizers step.
    """
    numbers = sorted({len(one.steps) for one in everyone})
    if len(numbers) > 1:
        raise ValueError(f"each worker must step the same optimizers, not {numbers} of them")
    found: list[Way] = []
    for steps in zip(*(one.steps for one in everyone), strict=True):
        if any(step.passes for step in steps):
            way = _way(steps, clipped=clipped)
            alike = [k for k, other in enumerate(found) if _alike(way, other)]
            if alike:
                found[alike[0]] = _together(found[alike[0]], way)
            else:
                found.append(way)
    return found


def _way(steps: Sequence[Stepped], *, clipped: bool) -> Way:
    keys = [(w, one) for w, step in enumerate(steps) for one in step.passes]
    workers = len(steps)
    plain = dict.fromkeys(keys, 1 / workers)
    way = Way(steps[0].optimizer, plain, dict.fromkeys(keys, 0.0))
    cut = tuple(sorted({name for step in steps for name in step.cut}))
    way = replace(way, cut=cut, clips=_bitten(steps[0]), sharded=len(steps[0].holders) > 1)
    if steps[0].sketches is None:
        return replace(way, obstacle=steps[0].obstacle or "path=False")
    tables = [_table(steps, w) for w in range(workers)]
    if not all(np.isfinite(one.handed).all() and np.isfinite(one.added).all() for one in tables):
        return replace(way, finite=False)
    whole = np.array([name not in way.cut for name in tables[0].names])
    guesses = (1 / workers, 1.0)[: min(workers, 2)]
    coarse = COARSE if workers > 1 else 0.0  # nothing is sent anywhere by one
    between = steps[0].between if workers == 1 else ()
    turns = [turn for step in steps for turn in range(len(step.passes))]

    def routed(tables: Sequence[Sketches]) -> list[Route]:
        return [
            route(one.only(whole), guesses, coarse, turns, between) for one in tables if whole.any()
        ]

    differing = _differing(tables)
    if not differing:
        before = [_unclipped(one, step) for one, step in zip(tables, steps, strict=True)]
        early = _clipped_early(steps, routed(tables[:1]))
        if early:
            way = replace(way, clipped_early=early)
        else:
            tables, differing = before, _differing(before)
    if differing or way.clipped_early:
        way = replace(way, disagreeing=differing, clips=())
    routes = routed(tables)
    if not routes:
        return way
    if differing:
        each = tuple(dict(zip(keys, one.factors.tolist(), strict=True)) for one in routes)
        way = replace(way, each=each)
    way = _with(way, keys, routes[0])
    if clipped:
        return _declared(way, workers * steps[0].scale)
    return replace(way, clipped_scaled=_clipped_scaled(steps[0], way.tolerance))


def _with(way: Way, keys: Sequence[tuple[int, int]], found: Route) -> Way:
    return replace(
        way,
        factors=dict(zip(keys, found.factors.tolist(), strict=True)),
        unsure=dict(zip(keys, found.uncertainty.tolist(), strict=True)),
        held=found.held,
        remainder=found.remainder,
        tolerance=found.tolerance,
        strays=found.strays,
        hidden=found.hidden,
    )


def _declared(way: Way, whole: float) -> Way:
    """Divide a common factor out, which the user says is a clip; `whole` is that without one."""
    values = list(way.factors.values())
    if len(set(values)) != 1 or not 0 < values[0] * whole < 1:
        return way
    clips = tuple(c * values[0] * whole for c in way.clips or (1.0,))
    return replace(way, factors=dict.fromkeys(way.factors, 1 / whole), clips=clips)


def _table(steps: Sequence[Stepped], worker: int) -> Sketches:
    """Return what all workers added, beside what one was handed, or those that hold its shards."""
    own = steps[worker].sketches
    assert own is not None  # noqa: S101 - all workers watch alike
    holders = steps[worker].holders or (worker,)
    added, held = [], np.zeros_like(own.held)
    handed, squares = np.zeros_like(own.handed), np.zeros(len(own.names))
    for w, step in enumerate(steps):
        there = step.sketches
        if there is None or there.names != own.names:
            raise ValueError(
                "each worker must train the same parameters, but worker "
                f"{w}'s differ from worker {worker}'s; if they hold one model together, as in a "
                "pipeline, say so: watch(..., replicas=...)"
            )
        added.append(there.added)
        held = held + there.held * len(holders) / len(steps)
        if w in holders:
            handed, squares = handed + there.handed, squares + there.sizes[2] ** 2
    longer = longer_than(handed, np.sqrt(squares))
    return Sketches(own.names, np.concatenate(added), held, handed, own.unit, longer)


def _unclipped(table: Sketches, step: Stepped) -> Sketches:
    """Return what was handed over before its clips."""
    clips = np.array(step.clips)
    clips = np.where(clips > 0, clips, 1.0)
    return replace(table, handed=table.handed / clips[:, None])


def _clipped_early(steps: Sequence[Stepped], found: Sequence[Route]) -> float:
    """Return the smallest clip, if workers clipped their own gradients before the average; or 0.

    Workers that are handed the same gradient, but clipped by different factors, either averaged
    what they had clipped, by which their factors differ; or they clipped different gradients.
    """
    alike = all(np.allclose(step.clips, steps[0].clips, rtol=1e-4, atol=0.0) for step in steps)
    if alike or not found or np.ptp(found[0].factors) <= 1e-4 * np.abs(found[0].factors).max():
        return 0.0
    return min(min(step.clips) for step in steps)


def _clipped_scaled(step: Stepped, tolerance: float) -> Scaled | None:
    """Return the scale that gradients still had when they were clipped, where that matters.

    After the clip they were all divided by it, and nothing else happened to them.
    """
    if step.left is None or step.sketches is None:
        return None
    handed, left = step.sketches.handed, step.left
    across, squares = (left * handed).sum(), (left**2).sum()
    if across <= 0:
        return None
    factor = float(across / squares)
    clipped = left.any(1)
    off = sizes_of(handed[clipped] - factor * left[clipped])
    if np.any(off > tolerance * sizes_of(handed[clipped])) or abs(factor - 1) <= tolerance:
        return None
    bounds, lengths = np.array(step.bounds)[clipped], np.array(step.lengths)[clipped]
    room = bounds / np.maximum(lengths, 1e-300)
    changed = np.minimum(room, 1) / np.minimum(room / factor, 1)
    most = int(np.argmax(np.abs(np.log(changed))))
    if abs(changed[most] - 1) <= tolerance:
        return None
    return Scaled(1 / factor, float(changed[most]), float(bounds[most]))


def _bitten(step: Stepped) -> tuple[float, ...]:
    """Return the clips that changed a gradient."""
    return step.clips if any(clip < 1 for clip in step.clips) else ()


def _differing(tables: Sequence[Sketches]) -> tuple[str, ...]:
    """Name the parameters for which workers were handed different gradients."""
    scale = np.max([one.sizes[2] for one in tables], axis=0)
    off = np.max([sizes_of(one.handed - tables[0].handed) for one in tables], axis=0)
    differ = off > max(_SAME, tables[0].unit) * scale
    return tuple(name for name, one in zip(tables[0].names, differ, strict=True) if one)


def _alike(one: Way, other: Way) -> bool:
    """Tell whether two optimizers' gradients were treated alike in passes that reached both."""
    if one.strays or other.strays or (one.held != 0) != (other.held != 0) or one.cut or other.cut:
        return False
    both = one.factors.keys() & other.factors.keys()
    slack = max(one.tolerance, other.tolerance)
    return bool(both) and all(
        abs(one.factors[key] - other.factors[key]) <= slack * max(abs(one.factors[key]), 1e-12)
        for key in both
    )


def _together(one: Way, other: Way) -> Way:
    names = one.optimizer.split(" and ")
    return replace(
        one,
        optimizer=" and ".join(dict.fromkeys([*names, other.optimizer])),
        factors={**other.factors, **one.factors},
        unsure={**other.unsure, **one.unsure},
        remainder=max(one.remainder, other.remainder),
        clips=one.clips + other.clips,
    )
