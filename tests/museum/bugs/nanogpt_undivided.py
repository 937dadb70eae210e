"""The window's losses were added up; Adam hid it, the clip did not."""

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="karpathy/nanoGPT",
    averaged="equal micro-batches, summed",
    address="https://github.com/karpathy/nanoGPT/issues/168",
    reported="2023-02-20",
    state="open",
    seen="2026-11-26",
    kind="rescaled",
    factor=4.0,
    reduces="the training loop of train.py at ae3a8d5f, lines 281 to 293",
    world="even images",
)


def before(loop: Loop) -> None:
    for k, batch in enumerate(loop.batches):
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        loss.backward()
        if (k + 1) % loop.steps == 0:
            loop.optimizer.step()


def after(loop: Loop) -> None:
    for k, batch in enumerate(loop.batches):
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss / loop.steps).backward()
        if (k + 1) % loop.steps == 0:
            loop.optimizer.step()
