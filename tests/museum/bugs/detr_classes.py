"""Boxes are counted over all devices, the classes on each."""

from typing import Any

from museum.exhibit import About, Loop
from museum.worlds import Batch, count, mean_loss, penalty

ABOUT = About(
    project="facebookresearch/detr",
    averaged="devices' class losses; boxes by their count",
    address="https://github.com/facebookresearch/detr/issues/354",
    reported="2021-03-30",
    state="open",
    seen="2026-11-26",
    kind="mean-of-means",
    factor=1.0,
    term="loss",
    reduces="SetCriterion in models/detr.py, as the report describes it",
    world="two workers, two terms",
    workers=2,
    ddp=True,
    remark="A reimplementation that changed it reports worse results.",
)


def before(loop: Loop) -> None:
    (batch,) = loop.batches
    loss = loop.tap(mean_loss(loop.net, batch), targets=count(batch))
    (loss + boxes(loop, batch)).backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    (batch,) = loop.batches
    total = loop.everywhere(count(batch)) / loop.workers
    loss = loop.tap(mean_loss(loop.net, batch), targets=count(batch))
    (loss * count(batch) / total + boxes(loop, batch)).backward()
    loop.optimizer.step()


def boxes(loop: Loop, batch: Batch) -> Any:
    each = penalty(loop.net, batch)
    total = loop.everywhere(len(each)) / loop.workers
    term = loop.tap(each.sum(), len(each), term="boxes", weight=0.5, reduction="sum")
    return 0.5 * term / total
