"""The epoch's last batch, of two examples, weighs as much as one of eight."""

from museum.exhibit import About, Played, Stage
from museum.kerases import fitted

ABOUT = About(
    project="keras-team/keras",
    averaged="batch means",
    address="https://github.com/keras-team/keras/issues/20241",
    reported="2024-09-09",
    state="closed",
    seen="2026-11-26",
    kind="mean-of-means",
    factor=1.0,
    real="keras 3.15.1 on torch: gradient_accumulation_steps=4",
    remark="Right with summed losses, over the mean size of a batch.",
)


def play(stage: Stage, *, right: bool) -> Played:
    return fitted(stage, summed=right)
