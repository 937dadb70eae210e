"""Which tokens are penalized is decided in each micro-batch, so its size changes the loss."""

import torch

from museum.exhibit import About, Loop
from museum.worlds import PENALIZED, count, each_loss, selected_loss

ABOUT = About(
    project="verl-project/verl",
    averaged="penalties on tokens chosen per micro-batch",
    address="https://github.com/verl-project/verl/issues/7829",
    reported="2026-09-10",
    state="open",
    seen="2026-11-26",
    kind="not-a-mean",
    reduces=(
        "the KL-Cov loss in verl/trainer/ppo/core_algos.py at 24f25b03: a share of each "
        "micro-batch's tokens, here by their loss"
    ),
    world="selecting",
)


def before(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(selected_loss(loop.model, batch), targets=count(batch))
        (loss * count(batch) / total).backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    with torch.no_grad():
        losses = torch.cat([each_loss(loop.model, batch) for batch in loop.batches])
        bound = losses.topk(int(PENALIZED * total)).values[-1]
    for batch in loop.batches:
        losses = each_loss(loop.model, batch)
        penalty = losses.square() * (losses.detach() >= bound)
        loss = loop.tap((losses + penalty).mean(), targets=count(batch))
        (loss * count(batch) / total).backward()
    loop.optimizer.step()
