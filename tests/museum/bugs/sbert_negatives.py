"""Accumulated, a contrastive loss sees the negatives of its own micro-batch alone."""

from museum.exhibit import About, Loop
from museum.worlds import contrastive_loss, merged

ABOUT = About(
    project="huggingface/sentence-transformers",
    averaged="losses with a quarter of the negatives",
    address="https://github.com/huggingface/sentence-transformers/issues/1206",
    reported="2021-10-14",
    state="closed",
    seen="2026-11-26",
    kind="not-a-mean",
    reduces="MultipleNegativesRankingLoss under accumulation, as #1822 explains it",
    world="pairs",
    remark="By design; the project has cached losses for it, which are the right version here.",
)


def before(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(contrastive_loss(loop.model, batch), targets=len(batch[0]))
        (loss / loop.steps).backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    batch = merged(loop.batches)
    loop.tap(contrastive_loss(loop.model, batch), targets=len(batch[0])).backward()
    loop.optimizer.step()
