"""The workers' gradients are averaged where they meet, and again by the updater."""

import torch.distributed as dist

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="apache/singa",
    averaged="workers' means, averaged twice",
    address="https://github.com/apache/singa/pull/65",
    reported="2015-09-13",
    state="closed",
    seen="2026-11-26",
    kind="rescaled",
    factor=0.5,
    reduces="Trainer::HandleUpdate and Updater::Update, as SINGA-71 describes them",
    world="two even workers",
    workers=2,
)


def before(loop: Loop) -> None:
    (batch,) = loop.batches
    loop.tap(mean_loss(loop.model, batch), targets=count(batch)).backward()
    for weight in loop.model.parameters():
        dist.all_reduce(weight.grad)
        weight.grad /= loop.workers  # HandleUpdate
    for weight in loop.model.parameters():
        weight.grad /= loop.workers  # Update
    loop.optimizer.step()


def after(loop: Loop) -> None:
    (batch,) = loop.batches
    loop.tap(mean_loss(loop.model, batch), targets=count(batch)).backward()
    for weight in loop.model.parameters():
        dist.all_reduce(weight.grad)
    for weight in loop.model.parameters():
        weight.grad /= loop.workers  # Update
    loop.optimizer.step()
