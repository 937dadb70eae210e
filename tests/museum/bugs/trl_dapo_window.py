"""The divisor counts the tokens of four generated micro-batches, the window holds two."""

from museum.exhibit import About, Loop
from museum.worlds import GENERATED, count, sum_loss

ABOUT = About(
    project="huggingface/trl",
    averaged="a window's tokens over the generation's",
    address="https://github.com/huggingface/trl/pull/6024",
    reported="2026-06-12",
    state="merged",
    seen="2026-11-26",
    kind="rescaled",
    factor=0.32786885245901637,
    reduces=(
        "GRPOTrainer._compute_loss at a08e7139, for dapo, with steps_per_generation=4 and "
        "gradient_accumulation_steps=2"
    ),
    world="generation",
)


def before(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(sum_loss(loop.model, batch), targets=count(batch), reduction="sum")
        (loss / GENERATED).backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    window = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(sum_loss(loop.model, batch), targets=count(batch), reduction="sum")
        (loss / window).backward()
    loop.optimizer.step()
