"""The loss is averaged over the workers before backward, and DDP averages the gradients."""

from typing import Any

import torch.distributed as dist

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="sanderwood/bgpt",
    averaged="workers' losses, and then their gradients",
    address="https://github.com/sanderwood/bgpt/issues/5",
    reported="2024-09-30",
    state="closed",
    seen="2026-11-26",
    kind="rescaled",
    factor=0.5,
    reduces="process_one_batch in train-gen.py, line 200, as the report quotes it",
    world="two even workers",
    workers=2,
    ddp=True,
)


def before(loop: Loop) -> None:
    (batch,) = loop.batches
    loss = loop.tap(mean_loss(loop.net, batch), targets=count(batch))
    loss = reduced(loss, loop)
    loss.backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    (batch,) = loop.batches
    loss = loop.tap(mean_loss(loop.net, batch), targets=count(batch))
    loss.backward()
    loop.optimizer.step()


def reduced(loss: Any, loop: Loop) -> Any:
    """Return the workers' mean: its value is right, and autograd sees the division alone."""
    value = loss.detach().clone()
    dist.all_reduce(value)
    return loss / loop.workers + (value - loss.detach()) / loop.workers
