"""Each rank divides by its own count of the step's tokens, and the ranks are averaged."""

from museum.exhibit import About, Loop
from museum.worlds import count, sum_loss

ABOUT = About(
    project="PrimeIntellect-ai/prime-rl",
    averaged="token means of ranks",
    address="https://github.com/PrimeIntellect-ai/prime-rl/issues/2358",
    reported="2026-04-25",
    state="open",
    seen="2026-11-26",
    kind="mean-of-group-means",
    factor=1.0,
    reduces="loss_scale in prime_rl/trainer/rl/train.py, as the report quotes it; fixed by #2562",
    world="two workers",
    workers=2,
    ddp=True,
)


def before(loop: Loop) -> None:
    loss_scale = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(sum_loss(loop.net, batch), targets=count(batch), reduction="sum")
        (loss / loss_scale).backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    loss_scale = loop.everywhere(sum(map(count, loop.batches)))
    for batch in loop.batches:
        loss = loop.tap(sum_loss(loop.net, batch), targets=count(batch), reduction="sum")
        (loss / loss_scale).backward()
        loop.log(loop.workers * loss / loss_scale)
    for weight in loop.model.parameters():
        weight.grad *= loop.workers  # undo the mean over ranks
    loop.optimizer.step()
