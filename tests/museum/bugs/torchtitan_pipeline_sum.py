"""With a pipeline, the sum over tokens is differentiated; the division comes after backward."""

from museum.exhibit import About, Loop
from museum.worlds import count, sum_loss

ABOUT = About(
    project="pytorch/torchtitan",
    averaged="token losses, summed",
    address="https://github.com/pytorch/torchtitan/issues/2972",
    reported="2026-04-15",
    state="open",
    seen="2026-11-26",
    kind="rescaled",
    factor=28.0,
    reduces="Trainer.forward_backward_step in trainer.py, and PipelineSchedule.step in torch",
)


def before(loop: Loop) -> None:
    total, losses = sum(map(count, loop.batches)), []
    for batch in loop.batches:
        loss = loop.tap(sum_loss(loop.model, batch), targets=count(batch), reduction="sum")
        loss.backward()
        losses.append(loss.detach())
    loop.log(sum(losses) / total)
    loop.optimizer.step()


def after(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(sum_loss(loop.model, batch), targets=count(batch), reduction="sum")
        (loss / total).backward()
    loop.optimizer.step()
