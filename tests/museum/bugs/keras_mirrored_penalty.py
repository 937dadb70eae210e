"""Replicas' gradients are added up, and each replica adds the whole penalty."""

import torch.distributed as dist

from museum.exhibit import About, Loop
from museum.worlds import count, decay, sum_loss

ABOUT = About(
    project="keras-team/keras",
    averaged="a penalty, once a replica",
    address="https://github.com/keras-team/keras/pull/20609",
    reported="2024-12-09",
    state="merged",
    seen="2026-11-26",
    kind="rescaled",
    factor=2.0,
    term="l2",
    reduces=(
        "the loss of tf.distribute.MirroredStrategy with keras.regularizers, as #20609 describes it"
    ),
    world="two workers, decay",
    workers=2,
)


def before(loop: Loop) -> None:
    train_step(loop, share=1)


def after(loop: Loop) -> None:
    train_step(loop, share=1 / loop.workers)


def train_step(loop: Loop, share: float) -> None:
    (batch,) = loop.batches
    total = loop.everywhere(count(batch))
    loss = loop.tap(sum_loss(loop.model, batch), targets=count(batch), reduction="sum")
    l2 = loop.tap(decay(loop.model, batch)[0], targets=1, term="l2", weight=0.01)
    (loss / total + 0.01 * l2 * share).backward()
    loop.log(loop.workers * (loss / total + 0.01 * l2 * share))
    for weight in loop.model.parameters():
        dist.all_reduce(weight.grad)
    loop.optimizer.step()
