"""DeepSpeed's engine at ZeRO 1 and 2, with its optimizer's state on the device or on the CPU."""

import functools

from field.loops_deepspeed import stage
from field.situation import Situation
from field.workers import met

PACKAGE = "deepspeed"


def _of(number: int, *, right: bool, offload: bool) -> Situation:
    where = f"ZeRO {number}, offloaded" if offload else f"ZeRO {number}"
    loss = "right: times its share of the targets" if right else "each micro-batch's mean"
    run = functools.partial(stage, number, right=right, offload=offload)
    return Situation(f"{where}, {loss}", met(run))


TABLE = {
    f"zero{number}{'_offload' if offload else ''}_{'sum_over_targets' if right else 'mean_loss'}": (
        _of(number, right=right, offload=offload)
    )
    for right in (False, True)
    for number in (1, 2)
    for offload in (False, True)
}
