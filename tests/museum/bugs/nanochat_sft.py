"""Fine-tuning on padded conversations divided each mean by the number of micro-batches."""

from museum.exhibit import About, Loop
from museum.worlds import count, mean_loss, sum_loss

ABOUT = About(
    project="karpathy/nanochat",
    averaged="token means of micro-batches",
    address="https://github.com/karpathy/nanochat/pull/400",
    reported="2025-12-30",
    state="closed",
    seen="2026-11-26",
    kind="mean-of-means",
    factor=1.0,
    reduces="the training loop of scripts/chat_sft.py, as the pull request describes it",
)


def before(loop: Loop) -> None:
    for batch in loop.batches:
        loss = loop.tap(mean_loss(loop.model, batch), targets=count(batch))
        (loss / loop.steps).backward()
    loop.optimizer.step()


def after(loop: Loop) -> None:
    tokens, losses = 0, []
    for batch in loop.batches:
        loss = loop.tap(sum_loss(loop.model, batch), targets=count(batch), reduction="sum")
        loss.backward()
        tokens += count(batch)
        losses.append(float(loss))
    for weight in loop.model.parameters():
        weight.grad.div_(tokens)
    loop.log(sum(losses) / tokens)
    loop.optimizer.step()
