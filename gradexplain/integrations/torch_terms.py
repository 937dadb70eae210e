"""Which losses of a step are terms of their own, and which are parts of one mean."""

from collections.abc import Sequence

import torch

from gradexplain.audit.judge.case import MAIN
from gradexplain.integrations.torch_origins import apart
from gradexplain.integrations.torch_passes import Pass
from gradexplain.integrations.torch_taps import Tap
from gradexplain.integrations.torch_workers import workers

Made = Sequence[tuple[Pass, Tap]]
_ENOUGH = 8  # targets whose range says what kind they are; of one value, 2 do


def name_terms(made: Made, *, one_objective: bool) -> None:
    """Tell the losses of one pass apart: by kind, or by place where every pass has as many.

    Losses of one kind in one pass may be parts of one mean, or terms of their own. Terms share a
    batch: they have the same count in each pass. Where that decides nothing, they carry a doubt,
    and so do those of passes that differ in more than their batch, if they may be of several
    objectives.
    """
    kinds = dict.fromkeys(tap.kind for _, tap in made if tap.kind)
    for kind in kinds:
        passes: dict[Pass, list[Tap]] = {}
        for one, tap in made:
            if tap.kind == kind:
                passes.setdefault(one, []).append(tap)
        term = kind if len(kinds) > 1 else "loss"
        several = max(map(len, passes.values())) > 1
        apart = several and _share_batches(list(passes.values()))
        differ = not (several or one_objective) and _differ(
            [(one, tap) for one, (tap,) in passes.items()]
        )
        for taps in passes.values():
            for place, tap in enumerate(taps):
                tap.term = f"{term} {place + 1}" if apart else term
                tap.doubt = "several" if several and not apart else tap.doubt
                tap.doubt = "passes" if differ else tap.doubt


def question_passes(made: Made, *, certain: bool) -> None:
    """Let the losses of passes with one each carry a doubt, if these may be of several objectives.

    Args:
        made: what was read.
        certain: whether they share a forward pass, or the model may have made targets itself.
    """
    for kind in dict.fromkeys(tap.kind for _, tap in made):
        own = [(one, tap) for one, tap in made if tap.kind == kind and tap.term == MAIN]
        origins = {one: one.origin for one, _ in own if one.origin is not None}
        if 1 < len(origins) == len(own) and (
            certain or apart(list(origins.values()), workers=workers())
        ):
            for _, tap in own:
                tap.doubt = "passes"


def _share_batches(passes: Sequence[Sequence[Tap]]) -> bool:
    """Tell whether each pass has as many losses, more than one pass, all with its count."""
    alike = all(len({tap.count for tap in taps}) == 1 for taps in passes)
    return len(passes) > 1 and len({len(taps) for taps in passes}) == 1 and alike


def _differ(made: Made) -> bool:
    """Tell whether passes with a loss each differ in more than their batch.

    Their targets have ranges that don't meet, as a discriminator's real and fake ones; or are the
    same; or each pass trains parameters that the other doesn't.
    """
    if len(made) < 2:
        return False
    names = {frozenset(one.added) for one, _ in made}
    if any(one - other and other - one for one in names for other in names):
        return True
    seen = [tap.targets for _, tap in made if tap.targets is not None]
    if len(seen) < len(made):
        return False
    numbers = torch.stack([each.glance.cpu() for each in seen]).tolist()
    ranges = [(low, high) for low, high, _ in numbers]
    same = [(each.number, *row) for each, row in zip(seen, numbers, strict=True) if row[0] < row[1]]
    return len(set(same)) < len(same) or _meet_nowhere(ranges, [each.number for each in seen])


def _meet_nowhere(ranges: Sequence[tuple[float, float]], numbers: Sequence[int]) -> bool:
    """Tell whether ranges fall into groups that don't meet, each of enough targets."""
    enough = [
        number >= (_ENOUGH if low < high else 2)
        for number, (low, high) in zip(numbers, ranges, strict=True)
    ]
    if not all(enough):
        return False
    ordered = sorted(ranges)
    reach = ordered[0][1]
    for low, high in ordered[1:]:
        if low > reach:
            return True
        reach = max(reach, high)
    return False
