"""Lightning in mixed bf16, and under its DDP strategy on two workers."""

import os
from typing import Any

from field.situation import Situation
from field.test_lightning import ACCUMULATE, LENGTHS, fitted
from gradexplain import Report

PACKAGE = "lightning"


def _step(*, right: bool) -> Report:
    workers, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    options: dict[str, Any] = {"strategy": "ddp"} if workers > 1 else {}
    lengths = LENGTHS[rank * ACCUMULATE :][:ACCUMULATE]
    found = fitted(lengths, right=right, workers=workers, precision="bf16-mixed", **options)
    return found.worst.report


TABLE = {
    "mean_loss": Situation("`bf16-mixed`, each micro-batch's mean", lambda: _step(right=False)),
    "sum_over_targets": Situation(
        "`bf16-mixed`, right: sums over the step's count", lambda: _step(right=True)
    ),
}
