"""The gradients of a window are zeroed as each of its batches begins."""

from museum.exhibit import About, Loop
from museum.worlds import count, sum_loss

ABOUT = About(
    project="dscripka/openWakeWord",
    averaged="the last batch of a window alone",
    address="https://github.com/dscripka/openWakeWord/issues/316",
    reported="2026-01-29",
    state="open",
    seen="2026-11-26",
    kind="dropped",
    reduces="Model.train_model in openwakeword/train.py at 368c0371, line 486",
    world="images",
)


def before(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    for batch in loop.batches:
        loop.optimizer.zero_grad()
        loss = loop.tap(sum_loss(loop.model, batch), targets=count(batch), reduction="sum")
        (loss / total).backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    total = sum(map(count, loop.batches))
    loop.optimizer.zero_grad()
    for batch in loop.batches:
        loss = loop.tap(sum_loss(loop.model, batch), targets=count(batch), reduction="sum")
        (loss / total).backward()
    loop.optimizer.step()
