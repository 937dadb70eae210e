"""What an epoch left over stayed in the gradients of the next one's first step."""

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss, sum_loss

ABOUT = About(
    project="joeynmt/joeynmt",
    averaged="the window and what the epoch before left over",
    address="https://github.com/joeynmt/joeynmt/pull/96",
    reported="2020-05-23",
    state="closed",
    seen="2026-11-26",
    kind="extra-term",
    reduces="the epochs of TrainManager.train_and_validate, as the pull request describes them",
    world="left behind",
)


def prior(loop: Loop, *, right: bool) -> None:
    """End an epoch on a window that is not full."""
    (mean_loss(loop.model, loop.world.rest) / 4).backward()
    if right:
        loop.optimizer.zero_grad()


def before(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(sum_loss(loop.model, batch), targets=count(batch), reduction="sum")
        (loss / total).backward()
    loop.optimizer.step()


after = before
