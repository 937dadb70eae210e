"""The epoch's last two micro-batches are divided by four."""

from typing import Any

from museum.exhibit import About, Played, Stage
from museum.lightnings import fitted

ABOUT = About(
    project="Lightning-AI/pytorch-lightning",
    averaged="two micro-batches, over four",
    address="https://github.com/Lightning-AI/pytorch-lightning/issues/19987",
    reported="2024-06-17",
    state="open",
    seen="2026-11-26",
    kind="rescaled",
    factor=0.5,
    real="lightning 2.6.6: Trainer(accumulate_grad_batches=4)",
)


def play(stage: Stage, *, right: bool) -> Played:
    def loss(mean: Any, *_: int) -> Any:
        return mean * 2 if right else mean

    return fitted(stage, (6, 6), loss, even=True)
