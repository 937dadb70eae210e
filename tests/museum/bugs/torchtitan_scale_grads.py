"""All that is accumulated is divided again after each of the window's steps."""

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="pytorch/torchtitan",
    averaged="micro-batches, halved again with each that follows",
    address="https://github.com/pytorch/torchtitan/issues/1733",
    reported="2025-09-22",
    state="closed",
    seen="2026-11-26",
    kind="reweighted",
    reduces=(
        "PipelineSchedule with scale_grads=True, called once a step of the window; fixed by "
        "torchtitan#1732"
    ),
    world="even images",
)


CHUNKS = 2  # the pipeline's own micro-batches in each step of the window


def before(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (CHUNKS * loss / loop.steps).backward()
        for weight in loop.model.parameters():
            weight.grad /= CHUNKS
    loop.optimizer.step()


def after(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (CHUNKS * loss / loop.steps / CHUNKS).backward()
    loop.optimizer.step()
