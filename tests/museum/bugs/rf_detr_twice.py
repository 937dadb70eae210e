"""The module divides by the number of micro-batches, and Lightning does so again."""

from typing import Any

from museum.exhibit import About, Played, Stage
from museum.lightnings import fitted

ABOUT = About(
    project="roboflow/rf-detr",
    averaged="micro-batch means, divided twice",
    address="https://github.com/roboflow/rf-detr/issues/1503",
    reported="2026-09-22",
    state="closed",
    seen="2026-11-26",
    kind="rescaled",
    factor=0.25,
    real="lightning 2.6.6, on RFDETRModelModule.training_step as the report quotes it at 6b91a48e",
)


def play(stage: Stage, *, right: bool) -> Played:
    def loss(mean: Any, *_: int) -> Any:
        return mean if right else mean / 4

    return fitted(stage, (6, 6, 6, 6), loss, even=True)
