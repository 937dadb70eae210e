"""Batch dice over two workers: what was gathered was not added up."""

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F

from museum.exhibit import About, Loop
from museum.worlds import CLASSES, count

ABOUT = About(
    project="MIC-DKFZ/nnUNet",
    averaged="each worker's dice",
    address="https://github.com/MIC-DKFZ/nnUNet/issues/1354",
    reported="2023-03-28",
    state="closed",
    seen="2026-11-26",
    kind="not-a-mean",
    reduces="MemoryEfficientSoftDiceLoss in nnunetv2/training/loss/dice.py, line 104",
    world="segments",
    workers=2,
    ddp=True,
)


def before(loop: Loop) -> None:
    train_step(loop, added=False)


def after(loop: Loop) -> None:
    train_step(loop, added=True)


def train_step(loop: Loop, *, added: bool) -> None:
    (batch,) = loop.batches
    x, y = batch
    p = loop.net(x).softmax(-1)
    true = F.one_hot(y, CLASSES).to(p.dtype)
    sums = [(p * true).sum(0), p.sum(0), true.sum(0)]
    gathered = [Gather.apply(each) for each in sums]
    intersect, predicted, there = [g.sum(0) if added else g for g in gathered]
    loss = 1 - (2 * intersect / (predicted + there)).mean()
    loop.tap(loss, targets=count(batch)).backward()
    loop.optimizer.step()


class Gather(torch.autograd.Function):
    """Stack what all workers have; backward adds up what all workers want of it."""

    @staticmethod
    def forward(_: Any, mine: Any) -> Any:
        everyone = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(everyone, mine.contiguous())
        return torch.stack(everyone)

    @staticmethod
    def backward(_: Any, wanted: Any) -> Any:
        wanted = wanted.clone()
        dist.all_reduce(wanted)
        return wanted[dist.get_rank()]
