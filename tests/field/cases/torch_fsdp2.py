"""PyTorch's FSDP2, `fully_shard`, in float32 and with bf16 weights."""

import functools

from field.loops_sharded import fsdp2, fsdp2_in_bfloat16
from field.situation import Situation
from field.workers import met

PACKAGE = "torch"


TABLE = {
    "mean_loss": Situation(
        "FSDP2, each micro-batch's mean", met(functools.partial(fsdp2, right=False))
    ),
    "bf16_sum_over_targets": Situation(
        "FSDP2 in bf16, clipped, right: sums over the global count",
        met(functools.partial(fsdp2_in_bfloat16, right=True)),
    ),
    "sum_over_targets": Situation(
        "FSDP2, right: sums over the global count", met(functools.partial(fsdp2, right=True))
    ),
}
