"""From tensors on devices to plain arrays: what one worker saw, once its step is done."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gradexplain.audit.tap.seen import Array, Seen, Stepped, Tapped
from gradexplain.audit.tap.sketches import Sketches, longer_than
from gradexplain.integrations.torch_passes import Pass
from gradexplain.integrations.torch_path import Handed, Path
from gradexplain.integrations.torch_sketch import LENGTH, Sketch
from gradexplain.integrations.torch_taps import Tap

_SAME = 1e-6  # of a gradient's norm: sketches may be made in another order


def seen_by(
    taps: Sequence[Tap], path: Path, coupled: tuple[str, ...], not_read: Sequence[str]
) -> Seen:
    """Return what was seen.

    Args:
        taps: the taps, or those of the readers.
        path: the way to the optimizers.
        coupled: layers that couple the examples of a batch.
        not_read: why readers could not read.

    Raises:
        ValueError: no optimizer stepped, or nothing was tapped.
    """
    if not path.handed:
        raise ValueError(
            "watch must see the optimizer's step, but none was taken inside the window "
            "(a scaler skips it where a gradient is infinite)"
        )
    if not any(one.passes for one in path.handed):
        if any(tap.readings for tap in taps):
            raise ValueError(
                "watch must see gradients add up in .grad, but autograd.grad returned them, "
                "and they were set by hand: call loss.backward() instead"
            )
        raise ValueError(
            f"watch must see backward passes before the optimizer's step, but "
            f"{path.handed[0].optimizer} stepped before any: open the window before the first of "
            "the step's micro-batches, and call loss.backward() there: what autograd.grad returns "
            "is not seen"
        )
    returned = [tap for tap in taps if _only_returned(tap)]
    used = [tap for tap in taps if tap.readings or not tap.recomputed]
    used = [tap for tap in used if tap not in returned]
    counted = path.passes
    place = {one: k for k, one in enumerate(counted)}
    return Seen(
        taps=tuple(_tapped(tap, place) for tap in used),
        steps=tuple(_stepped(one, path, place) for one in _outermost(path.handed)),
        untapped={place[one]: one.untapped for one in counted if one.untapped},
        coupled=coupled,
        not_read=tuple(not_read),
        returned=len(returned),
    )


def _only_returned(tap: Tap) -> bool:
    """Tell whether `torch.autograd.grad` alone came by, as when a pipeline tries its shapes out.

    The first stage needs no gradient then, so nothing comes by at all.
    """
    if not tap.readings:
        return tap.trial
    return all(one.task is not None and not one.added for one in tap.readings)


def _outermost(every: Sequence[Handed]) -> list[Handed]:
    """Return the steps without those inside others, such as each worker's own one of its shard."""
    return [one for k, one in enumerate(every) if not any(_inside(one, it) for it in every[:k])]


def _inside(one: Handed, other: Handed) -> bool:
    """Tell whether an optimizer got only what another one had already got."""
    if one.passes != other.passes or not set(one.names) <= set(other.names):
        return False
    if not one.sketches.keys() <= other.sketches.keys():
        return False
    sketched = [one.sketches[name] for name in one.sketches]
    apart = _table(sketched) - _table([other.sketches[name] for name in one.sketches])
    return bool((np.abs(apart) <= _SAME * _norms(sketched)[:, None]).all())


def _tapped(tap: Tap, place: dict[Pass, int]) -> Tapped:
    counted = tap.value if tap.mask is None else tap.value[tap.mask]
    count = _count(tap)
    return Tapped(
        term=tap.term,
        read={place[one]: _array(arrived) for one, arrived in tap.readings.items() if one in place},
        unit=max(tap.unit, *(torch.finfo(kind).eps / 2 for kind in _types(tap))),
        count=count,
        number=None if tap.number is None else float(tap.number),
        weight=tap.weight,
        kept=None if tap.mask is None else tap.mask.cpu().numpy(),
        summed=tap.summed,
        saved=None if tap.saved is None else float(tap.saved),
        ignored=None if tap.ignored is None else tap.ignored.cpu().numpy(),
        scaled=tap.scaled,
        times=_times(tap, count),
        halved=tap.below is not None and tap.below.halved,
        doubt=tap.doubt,
        glance=() if tap.targets is None else tuple(tap.targets.glance.tolist()),
        shape=tuple(tap.value.shape),
        value=float(counted.double().sum()),
        finite=bool(torch.isfinite(counted).all()),
    )


def _count(tap: Tap) -> float | None:
    count = None if tap.count is None else float(tap.count)
    if count is not None and not 0 <= count < float("inf"):
        raise ValueError(f"targets must be finite and at least 0, not {count:g}")
    return count


def _times(tap: Tap, count: float | None) -> float | None:
    """Return by what the mean of a loss was multiplied before it was tapped; None if unknown."""
    times = None if tap.below is None else tap.below.times()
    if times is None or tap.below is None or tap.below.summed == tap.summed:
        return times
    if not count:
        return None
    return times / count if tap.summed else times * count


def _types(tap: Tap) -> list[torch.dtype]:
    return [tap.value.dtype, *(arrived.dtype for arrived in tap.readings.values())]


def _stepped(handed: Handed, path: Path, place: dict[Pass, int]) -> Stepped:
    """Put the sketches of an optimizer's parameters into one table."""
    passes = [one for one in handed.passes if not one.added.keys().isdisjoint(handed.names)]
    names = [name for name in handed.names if _reached(name, handed, passes)]
    clips = [handed.clips.get(name) for name in names]
    sketches = left = None
    if path.sketching:
        each = [one.added.get(name, ()) for one in passes for name in names]
        held = _table([path.held.get(name) for name in names])
        sketched = [handed.sketches.get(name) for name in names]
        found = _table(sketched)
        kinds = {one.kind for some in (sketched, *each) for one in some if one is not None}
        left = _table([clip.left if clip else None for clip in clips])
        divisor = handed.scale if handed.scaled else 1.0
        sketches = Sketches(
            names=tuple(names),
            added=_table(each).reshape(len(passes), len(names), LENGTH),
            held=held,
            handed=found / divisor,
            unit=max((torch.finfo(kind).eps / 2 for kind in kinds), default=0.0),
            longer=longer_than(found, _norms(sketched)),
        )
    return Stepped(
        optimizer=handed.optimizer,
        passes=tuple(place[one] for one in passes),
        names=tuple(names),
        sketches=sketches,
        clips=tuple(float(clip.factor) if clip else 1.0 for clip in clips),
        bounds=tuple(clip.bound.most if clip else np.inf for clip in clips),
        lengths=tuple(float(clip.bound.norm) if clip else 0.0 for clip in clips),
        left=left,
        between=tuple(1.0 if one.clipped is None else float(one.clipped) for one in passes),
        scale=handed.scale,
        cut=tuple(sorted(handed.cut)),
        holders=() if path.shards is None else path.shards.holders,
        obstacle=path.obstacle,
    )


def _reached(name: str, handed: Handed, passes: Sequence[Pass]) -> bool:
    return name in handed.sketches or any(name in one.added for one in passes)


def _table(entries: Sequence[Sketch | Sequence[Sketch] | None]) -> Array:
    """Return one row for each entry, (T, m); several sketches are added up."""
    every = [[entry] if isinstance(entry, Sketch) else entry or () for entry in entries]
    return _summed([[sketch.numbers for sketch in some] for some in every], LENGTH)


def _norms(sketches: Sequence[Sketch | None]) -> Array:
    """Return the norms that were measured, (T,); 0 without a sketch."""
    norms = [None if sketch is None else sketch.norm for sketch in sketches]
    return _summed([[] if norm is None else [norm[None]] for norm in norms], 1)[:, 0]


def _summed(entries: Sequence[Sequence[Tensor]], length: int) -> Array:
    """Return each entry's sum of vectors, a row; they are moved at once from each device."""
    rows = torch.zeros(len(entries), length, dtype=torch.float64)
    places: dict[tuple[torch.device, torch.dtype], list[tuple[int, Tensor]]] = {}
    for t, some in enumerate(entries):
        for one in some:
            places.setdefault((one.device, one.dtype), []).append((t, one))
    for where in places.values():
        found = torch.stack([one for _, one in where])
        rows.index_add_(0, torch.tensor([t for t, _ in where]), found.to("cpu").double())
    return rows.numpy()


def _array(value: Tensor) -> Array:
    return value.to("cpu").double().numpy()
