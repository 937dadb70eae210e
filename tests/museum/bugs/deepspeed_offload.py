"""With several backwards a step, each overwrote the one before in the buffer on the CPU."""

from typing import Any

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="deepspeedai/DeepSpeed",
    averaged="the last chunk alone",
    address="https://github.com/deepspeedai/DeepSpeed/pull/7981",
    reported="2026-04-20",
    state="merged",
    seen="2026-11-26",
    kind="dropped",
    reduces=(
        "copy_grads_in_partition in stage_1_and_2.py, with gradient_accumulation_steps=1 and "
        "several backward passes"
    ),
    world="even images",
)


def before(loop: Loop) -> None:
    buffer: list[Any] = []
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss / loop.steps).backward()
        buffer = [weight.grad.clone() for weight in loop.model.parameters()]
        loop.model.zero_grad()
    from_the_cpu(loop, buffer)
    loop.optimizer.step()


def after(loop: Loop) -> None:
    buffer: list[Any] = []
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss / loop.steps).backward()
        chunk = [weight.grad.clone() for weight in loop.model.parameters()]
        buffer = [a + b for a, b in zip(buffer, chunk, strict=True)] if buffer else chunk
        loop.model.zero_grad()
    from_the_cpu(loop, buffer)
    loop.optimizer.step()


def from_the_cpu(loop: Loop, buffer: list[Any]) -> None:
    for weight, gradient in zip(loop.model.parameters(), buffer, strict=True):
        weight.grad = gradient
