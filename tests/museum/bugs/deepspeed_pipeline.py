"""The pipeline engine adds up what the ordinary engine divides by the steps."""

from typing import Any

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="deepspeedai/DeepSpeed",
    averaged="micro-batch means, summed",
    address="https://github.com/deepspeedai/DeepSpeed/issues/7773",
    reported="2026-01-11",
    state="open",
    seen="2026-11-26",
    kind="rescaled",
    factor=4.0,
    reduces="PipelineEngine's backward pass at 3bf53451, as the report describes it",
    world="even images",
)


def before(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        backward_pass(loss)
    loop.optimizer.step()


def after(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        backward_pass(loss / loop.steps)
    loop.optimizer.step()


def backward_pass(loss: Any) -> None:
    loss.backward()
