"""The shares are right, but the sum so far is clipped after every micro-batch."""

from torch.nn.utils import clip_grad_norm_

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss

ABOUT = About(
    project="lukas-blecher/LaTeX-OCR",
    averaged="clipped partial sums",
    address="https://github.com/lukas-blecher/LaTeX-OCR/issues/222",
    reported="2022-12-02",
    state="closed",
    seen="2026-11-26",
    kind="reweighted",
    reduces="train in pix2tex/train.py, as the report quotes it",
    clip=0.05,
    world="images",
    remark="The report asks about the loss that is logged; the clip is in the lines it quotes.",
)


CLIP = 0.05


def before(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss * count(batch) / total).backward()
        clip_grad_norm_(loop.model.parameters(), CLIP)
    loop.optimizer.step()


def after(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss * count(batch) / total).backward()
    clip_grad_norm_(loop.model.parameters(), CLIP)
    loop.optimizer.step()
