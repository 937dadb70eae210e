"""ZeRO-2 took each backward for the window's last one, and began anew."""

from typing import Any

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="allenai/open-instruct",
    averaged="the last micro-batch alone",
    address="https://github.com/allenai/open-instruct/pull/1498",
    reported="2026-02-26",
    state="merged",
    seen="2026-11-26",
    kind="dropped",
    reduces=(
        "DeepSpeed's stage_1_and_2.py, line 881, with gradient_accumulation_steps=1, as the "
        "pull request quotes it"
    ),
)


def before(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss * count(batch) / total).backward()
        averaged = collect(loop)
    hand_over(loop, averaged)
    loop.optimizer.step()


def after(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss * count(batch) / total).backward()
    averaged = collect(loop)
    hand_over(loop, averaged)
    loop.optimizer.step()


def collect(loop: Loop) -> list[Any]:
    """Do as at a boundary: take what is accumulated, and reset it."""
    taken = [weight.grad for weight in loop.model.parameters()]
    for weight in loop.model.parameters():
        weight.grad = None
    return taken


def hand_over(loop: Loop, averaged: list[Any]) -> None:
    for weight, gradient in zip(loop.model.parameters(), averaged, strict=True):
        weight.grad = gradient
