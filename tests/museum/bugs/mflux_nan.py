"""A loss that is not finite clears the window, and its end still divides by all steps."""

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="mflux-community/mflux",
    averaged="two of three batches, over four",
    address="https://github.com/mflux-community/mflux/pull/447",
    reported="2026-08-10",
    state="merged",
    seen="2026-11-26",
    kind="dropped",
    factor=0.75,
    reduces="TrainingTrainer's loop in trainer.py, as the review of the pull request quotes it",
    world="poisoned images",
    remark="Found in review, before the pull request was merged.",
)


def before(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        if not loss.isfinite():
            loop.optimizer.zero_grad()
            continue
        (loss / loop.steps).backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    losses = []
    for batch in loop.batches:
        loss = mean_loss(loop.model, batch)
        if not loss.isfinite():
            continue
        loop.tap(loss, targets=count(batch)).backward()
        losses.append(float(loss))
    for weight in loop.model.parameters():
        weight.grad /= len(losses)
    loop.log(sum(losses) / len(losses))
    loop.optimizer.step()
