"""Each rank and each step takes the mean of its own tokens; prompts come first."""

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss, sum_loss

ABOUT = About(
    project="PrimeIntellect-ai/prime-rl",
    averaged="token means of ranks and steps",
    address="https://github.com/PrimeIntellect-ai/prime-rl/pull/1957",
    reported="2026-03-05",
    state="closed",
    seen="2026-11-26",
    kind="mean-of-means",
    factor=1.0,
    reduces="the training loop of prime_rl/trainer/sft/train.py, as #1957 and #1960 describe it",
    world="prompt first",
    workers=2,
    ddp=True,
)


def before(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.net, batch), targets=count(batch))
        (loss / loop.steps).backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    total = loop.everywhere(sum(map(count, loop.batches)))
    for batch in loop.batches:
        loss = loop.tap(sum_loss(loop.net, batch), targets=count(batch), reduction="sum")
        (loss * loop.workers / total).backward()
    loop.optimizer.step()
