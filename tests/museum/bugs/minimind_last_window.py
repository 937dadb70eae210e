"""The epoch's last window holds two micro-batches, each divided by four."""

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="jingyaogong/minimind",
    averaged="two micro-batches, over four",
    address="https://github.com/jingyaogong/minimind/issues/749",
    reported="2026-04-26",
    state="closed",
    seen="2026-11-26",
    kind="rescaled",
    factor=0.5,
    reduces="the end of an epoch in trainer/train_pretrain.py, as the report quotes it",
    world="half a window",
)


ACCUMULATION_STEPS = 4


def before(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss / ACCUMULATION_STEPS).backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss / ACCUMULATION_STEPS).backward()
        loop.log(loss / loop.steps)
    remaining = loop.steps % ACCUMULATION_STEPS
    for weight in loop.model.parameters():
        weight.grad *= ACCUMULATION_STEPS / remaining
    loop.optimizer.step()
