"""The loss of the tokens after next lacks the factor that the main loss has."""

from museum.exhibit import About, Loop
from museum.worlds import each_loss, later_loss

ABOUT = About(
    project="NVIDIA/Megatron-LM",
    averaged="a second head's loss, over the context's ranks once more",
    address="https://github.com/NVIDIA/Megatron-LM/pull/3959",
    reported="2026-03-20",
    state="closed",
    seen="2026-11-26",
    kind="rescaled",
    factor=0.5,
    term="mtp",
    reduces="forward_step_calc_loss and MTPLossAutoScaler, as the pull request quotes them",
    world="two workers, a later token",
    workers=2,
    ddp=True,
)


def before(loop: Loop) -> None:
    step(loop, scale=1 / loop.workers)


def after(loop: Loop) -> None:
    step(loop, scale=1)


def step(loop: Loop, scale: float) -> None:
    (batch,) = loop.batches
    main, later = each_loss(loop.net, batch), later_loss(loop.net, batch)
    total, total_later = loop.everywhere(len(main)), loop.everywhere(len(later))
    loss = loop.tap(main.sum(), targets=len(main), reduction="sum")
    mtp = loop.tap(later.sum(), len(later), term="mtp", weight=0.3, reduction="sum")
    whole = loss * loop.workers / total + 0.3 * mtp * loop.workers / total_later * scale
    whole.backward()
    loop.optimizer.step()
