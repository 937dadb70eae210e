"""With accumulation, the discriminator's penalty ran every round on the same images."""

from museum.exhibit import About, Loop
from museum.worlds import Batch, count, mean_loss, penalty

ABOUT = About(
    project="NVlabs/stylegan2",
    averaged="a penalty on the last batch, as often as there are batches",
    address="https://github.com/NVlabs/stylegan2/pull/9",
    reported="2020-03-07",
    state="open",
    seen="2026-11-26",
    kind="dropped",
    term="r1",
    reduces="the slow path of training/training_loop.py, as the pull requests #9 and #13 quote it",
    world="penalized",
)


def before(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss / loop.steps).backward()
    for _ in loop.batches:
        regularize(loop, loop.batches[-1])
    loop.optimizer.step()


def after(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss / loop.steps).backward()
    for batch in loop.batches:
        regularize(loop, batch)
    loop.optimizer.step()


def regularize(loop: Loop, batch: Batch) -> None:
    term = penalty(loop.model, batch).mean()
    term = loop.tap(term, targets=count(batch), term="r1", weight=0.5)
    (0.5 * term / loop.steps).backward()
