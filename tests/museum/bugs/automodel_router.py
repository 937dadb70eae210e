"""The tokens' loss is over the whole batch, the router's enters every micro-batch whole."""

from museum.exhibit import About, Loop
from museum.worlds import balance, count, sum_loss

ABOUT = About(
    project="NVIDIA-NeMo/Automodel",
    averaged="a router's loss, once a micro-batch",
    address="https://github.com/NVIDIA-NeMo/Automodel/pull/3359",
    reported="2026-08-02",
    state="merged",
    seen="2026-11-26",
    kind="rescaled",
    factor=4.0,
    term="router",
    reduces="the auxiliary loss of the training recipes, as the pull request describes it",
    world="routed",
)


def before(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(sum_loss(loop.model, batch), targets=count(batch), reduction="sum")
        router = loop.tap(balance(loop.model, batch)[0], targets=1, term="router", weight=0.1)
        (loss / total + 0.1 * router).backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(sum_loss(loop.model, batch), targets=count(batch), reduction="sum")
        router = loop.tap(balance(loop.model, batch)[0], targets=1, term="router", weight=0.1)
        (loss / total + 0.1 * router / loop.steps).backward()
    loop.optimizer.step()
