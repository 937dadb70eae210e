"""DAPO's loss is over the window's tokens; the Trainer divided by its steps as well."""

from typing import Any

from museum.exhibit import About, Loop
from museum.worlds import IGNORED, count, token_losses

ABOUT = About(
    project="modelscope/ms-swift",
    averaged="the window's token mean, divided again by its steps",
    address="https://github.com/modelscope/ms-swift/issues/10117",
    reported="2026-09-12",
    state="open",
    seen="2026-11-26",
    kind="rescaled",
    factor=0.25,
    reduces="GRPOTrainer's loss at 0673cf75, and transformers.Trainer.training_step 5.12.1",
)


def before(loop: Loop) -> None:
    window = sum(map(count, loop.batches))
    for batch in loop.batches:
        losses = loop.tap(token_losses(loop.model, batch))
        loss = (losses * mask(batch)).sum() / window
        (loss / loop.steps).backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    window = sum(map(count, loop.batches))
    for batch in loop.batches:
        losses = loop.tap(token_losses(loop.model, batch))
        loss = (losses * mask(batch)).sum() / window
        loss.backward()
    loop.optimizer.step()


def mask(batch: Any) -> Any:
    """Return which tokens are of the completion."""
    return batch[1].flatten() != IGNORED
