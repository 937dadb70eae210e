"""The loss had its share of all tokens already; the pipeline's schedule divided once more."""

from typing import Any

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="areal-project/AReaL",
    averaged="token shares, divided again by the micro-batches",
    address="https://github.com/areal-project/AReaL/pull/1273",
    reported="2026-04-27",
    state="merged",
    seen="2026-11-26",
    kind="rescaled",
    factor=0.25,
    reduces=(
        "MegatronEngine.train_batch, and _forward_step_helper of "
        "megatron/core/pipeline_parallel/schedules.py"
    ),
)


def before(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        loss = loss * count(batch) / total
        schedule(loop, loss)
    loop.optimizer.step()


def after(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        loss = loss * count(batch) / total
        schedule(loop, loss * loop.steps)
    loop.optimizer.step()


def schedule(loop: Loop, loss: Any) -> None:
    """Do as the pipeline's schedule does with a loss that comes without a count."""
    (loss / loop.steps).backward()
