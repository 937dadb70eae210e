"""The example scripts clipped what was accumulated so far after every micro-batch."""

from torch.nn.utils import clip_grad_norm_

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="huggingface/transformers",
    averaged="clipped partial sums",
    address="https://github.com/huggingface/transformers/issues/986",
    reported="2019-08-07",
    state="closed",
    seen="2026-11-26",
    kind="reweighted",
    reduces="train in examples/run_squad.py at 7729ef73, line 156; moved before the step by #1580",
    clip=0.05,
    world="even images",
)


CLIP = 0.05


def before(loop: Loop) -> None:
    for k, batch in enumerate(loop.batches):
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        loss = loss / loop.steps
        loss.backward()
        clip_grad_norm_(loop.model.parameters(), CLIP)
        if (k + 1) % loop.steps == 0:
            loop.optimizer.step()


def after(loop: Loop) -> None:
    for k, batch in enumerate(loop.batches):
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        loss = loss / loop.steps
        loss.backward()
        if (k + 1) % loop.steps == 0:
            clip_grad_norm_(loop.model.parameters(), CLIP)
            loop.optimizer.step()
