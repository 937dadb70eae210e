"""accelerate in bf16: the two loops of its guide, on one process and on two."""

import torch.distributed as dist

from field.situation import Situation
from field.test_accelerate import ACCUMULATE, LENGTHS, trained
from gradexplain import Report

PACKAGE = "accelerate"


def _step(*, right: bool) -> Report:
    start = dist.get_rank() * 2 if dist.is_initialized() else 0
    found = trained(LENGTHS[start : start + ACCUMULATE], right=right, precision="bf16")
    return found.worst.report


TABLE = {
    "guide": Situation("The guide's loop in bf16", lambda: _step(right=False)),
    "variable_size": Situation(
        "The same in bf16, for samples of variable size", lambda: _step(right=True)
    ),
}
