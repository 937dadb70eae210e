"""Each micro-batch's token mean is divided by the number of micro-batches."""

from typing import Any

from museum.exhibit import About, Played, Stage
from museum.lightnings import fitted

ABOUT = About(
    project="Lightning-AI/pytorch-lightning",
    averaged="token means of micro-batches",
    address="https://github.com/Lightning-AI/pytorch-lightning/issues/20350",
    reported="2024-10-19",
    state="open",
    seen="2026-11-26",
    kind="mean-of-means",
    factor=1.0,
    real="lightning 2.6.6: Trainer(accumulate_grad_batches=4)",
    remark="Right if the module returns its sum, times the steps, over the window's count.",
)


def play(stage: Stage, *, right: bool) -> Played:
    def loss(mean: Any, count: int, total: int) -> Any:
        return mean * count * 4 / total if right else mean

    return fitted(stage, (10, 3, 7, 4), loss)
