"""Every micro-batch's mean is differentiated as it is: nobody divides by their number."""

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="openai/guided-diffusion",
    averaged="micro-batch means, summed",
    address="https://github.com/openai/guided-diffusion/issues/111",
    reported="2023-06-17",
    state="open",
    seen="2026-11-26",
    kind="mean-of-means",
    factor=4.0,
    reduces=(
        "TrainLoop.forward_backward in guided_diffusion/train_util.py, main as the report links it"
    ),
    world="images",
)


def before(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        loss.backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss * count(batch) / total).backward()
    loop.optimizer.step()
