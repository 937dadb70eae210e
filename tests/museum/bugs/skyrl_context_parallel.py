"""The factor that undoes the mean counts the data parallel ranks, not the context's."""

from museum.exhibit import About, Loop
from museum.worlds import count, sum_loss

ABOUT = About(
    project="NovaSky-AI/SkyRL",
    averaged="the global token mean, over the context's ranks once more",
    address="https://github.com/NovaSky-AI/SkyRL/pull/1420",
    reported="2026-03-31",
    state="merged",
    seen="2026-11-26",
    kind="rescaled",
    factor=0.5,
    reduces=(
        "grad_sum_correction_factor of the Megatron worker, as the pull request describes it; "
        "one data rank, two of the context"
    ),
    world="two workers, one batch",
    workers=2,
    ddp=True,
)


def before(loop: Loop) -> None:
    step(loop, correction=1)  # the data parallel size


def after(loop: Loop) -> None:
    step(loop, correction=loop.workers)  # with context parallel


def step(loop: Loop, correction: int) -> None:
    total = loop.everywhere(sum(map(count, loop.batches)))
    for batch in loop.batches:
        loss = loop.tap(sum_loss(loop.net, batch), targets=count(batch), reduction="sum")
        (loss * correction / total).backward()
    loop.optimizer.step()
