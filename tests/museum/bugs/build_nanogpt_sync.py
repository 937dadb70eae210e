"""Synchronization was switched off after the forward pass, which had already decided."""

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="karpathy/build-nanogpt",
    averaged="each worker's own last micro-batch",
    address="https://github.com/karpathy/build-nanogpt/pull/30",
    reported="2024-06-17",
    state="merged",
    seen="2026-11-26",
    kind="workers-disagree",
    real="torch 2.13.0: its DistributedDataParallel, on the loop of train_gpt2.py",
    world="two workers, two batches",
    workers=2,
    ddp=True,
)


def before(loop: Loop) -> None:
    for k, batch in enumerate(loop.batches):
        loss = loop.tap(mean_loss(loop.net, batch), targets=count(batch))
        loss = loss / loop.steps
        loop.net.require_backward_grad_sync = k == loop.steps - 1
        loss.backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    for k, batch in enumerate(loop.batches):
        loop.net.require_backward_grad_sync = k == loop.steps - 1
        loss = loop.tap(mean_loss(loop.net, batch), targets=count(batch))
        loss = loss / loop.steps
        loss.backward()
    loop.optimizer.step()
