"""A proposal: divide by the micro-steps so far, since so many gradients are in the sum."""

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="karpathy/nanoGPT",
    averaged="micro-batches by their order, 1, 1/2, 1/3, 1/4",
    address="https://github.com/karpathy/nanoGPT/issues/605",
    reported="2025-04-25",
    state="closed",
    seen="2026-11-26",
    kind="reweighted",
    reduces="the line that the report proposes for train.py, line 301",
    world="even images",
    remark="The project divides by the number of steps; this is the change a reader asked about.",
)


def before(loop: Loop) -> None:
    for k, batch in enumerate(loop.batches):
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss / (k + 1)).backward()
        if (k + 1) % loop.steps == 0:
            loop.optimizer.step()


def after(loop: Loop) -> None:
    for k, batch in enumerate(loop.batches):
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss / loop.steps).backward()
        if (k + 1) % loop.steps == 0:
            loop.optimizer.step()
