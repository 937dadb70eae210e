"""The divisor was the size of a micro-batch, where their number was meant."""

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="ByteDance-Seed/VeOmni",
    averaged="micro-batch means over their size",
    address="https://github.com/ByteDance-Seed/VeOmni/pull/963",
    reported="2026-07-23",
    state="merged",
    seen="2026-11-26",
    kind="rescaled",
    factor=0.6666666666666666,
    reduces="DiTTrainer's loss, as the pull request describes it",
    world="even images",
)


def before(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss / count(batch)).backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss / loop.steps).backward()
    loop.optimizer.step()
