"""The fused kernel scales every row by the first one's incoming gradient."""

from museum.exhibit import About, Loop
from museum.worlds import count, rewarded_loss

ABOUT = About(
    project="linkedin/Liger-Kernel",
    averaged="rows, all weighted like the first",
    address="https://github.com/linkedin/Liger-Kernel/issues/968",
    reported="2025-12-06",
    state="closed",
    seen="2026-11-26",
    kind="wrong-backward",
    reduces=(
        "LigerFusedLinearCrossEntropyLoss with reduction='none', as #968 shows and #680 explains it"
    ),
    world="rewarded",
)


def before(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(rewarded_loss(loop.model, batch, kernel=True), targets=count(batch))
        (loss * count(batch) / total).backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    for batch in loop.batches:
        loss = loop.tap(rewarded_loss(loop.model, batch), targets=count(batch))
        (loss * count(batch) / total).backward()
    loop.optimizer.step()
