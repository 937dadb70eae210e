"""The smallest mistake that each tool sees: a mean of means, mixed into a right mean."""

from typing import Any

import numpy as np

from museum import tools, worlds
from museum.exhibit import Loop, Played
from museum.vectors import vector, whole_gradient

SHARES = 1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7, 0.0


def ask(name: str, **_: Any) -> dict[str, Any]:
    """Return, for each share of the mistake, which tools raise an alarm."""
    return {f"{share:g}": _asked(share) for share in (SHARES if name else ())}


def _asked(share: float) -> dict[str, Any]:
    from field.tiny import CatchingSGD

    from gradexplain.integrations.torch import watch

    world = worlds.make("sequences", "float32")
    (batches,) = world.batches
    model = world.model()
    optimizer = CatchingSGD(model)
    losses: list[float] = []
    with watch(model, optimizer) as step:
        loop = Loop(model, optimizer, batches, step.tap, model)
        mixed(loop, share, losses)
    played = Played(
        model, batches, each=world.each, handed=[optimizer.handed[-1]], loss=sum(losses)
    )
    answers = {
        "tap": tools._reported(step.report()),  # noqa: SLF001 - of the museum, too
        "audit": tools.audit(played),
        "allclose": tools.allclose(played),
        "cosine": tools.cosine(played),
        "loss": tools.loss(played),
        "pytest-torch": tools._equivalent(  # noqa: SLF001 - as above
            None, lambda given: mixed(given, share, []), world, right=False
        ),
    }
    full = whole_gradient(played)
    error = float(np.linalg.norm(vector(played.handed[0]) - full) / np.linalg.norm(full))
    return {
        "error": float(f"{error:.2g}"),
        **{tool: answer["ok"] for tool, answer in answers.items()},
    }


def mixed(loop: Loop, share: float, losses: list[float]) -> None:
    """Weigh the micro-batches by their counts, and a share of the weight alike."""
    total = sum(map(worlds.count, loop.batches))
    for batch in loop.batches:
        n = worlds.count(batch)
        loss = loop.tap(worlds.mean_loss(loop.model, batch), targets=n)
        loss = loss * ((1 - share) * n / total + share / loop.steps)
        losses.append(float(loss))
        loss.backward()
    loop.optimizer.step()
