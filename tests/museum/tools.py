"""Each tool's answer to one version of an exhibit, used as its own documentation says.

The full-batch gradient that the comparisons by hand need is computed apart from the loop, so it is
right by construction: more than their users have.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from museum.exhibit import Loop, Played, Stage, about
from museum.one import played_on
from museum.vectors import (
    clipped,
    counted,
    full_gradient,
    gradient_of,
    part_gradient,
    vector,
    whole_gradient,
    whole_loss,
)

COSINE = 0.99  # below it, the directions are said to differ
# pytest-torch's check of accumulation allows 1e-4; this is what its table has for half precision.
HALF = {"rtol": 2e-2, "atol": 2e-2}
LOSS = 0.1  # above it, the losses are said to differ
Answer = dict[str, Any]


def ask(name: str, *, right: bool, rank: int, workers: int) -> dict[str, Answer] | None:
    """Ask every tool."""
    begun = time.perf_counter()
    caught = played_on(Stage(rank=rank, workers=workers), name, right=right)
    played = time.perf_counter() - begun
    answers = {"tap": _timed(lambda: tap(name, right=right, rank=rank, workers=workers))}
    if rank > 0:
        return None
    own = {
        "audit": lambda: audit(caught),
        "allclose": lambda: allclose(caught),
        "cosine": lambda: cosine(caught),
        "loss": lambda: loss(caught),
        "pytest-torch": lambda: pytest_torch(name, right=right),
    }
    for tool, asked in own.items():
        answers[tool] = _timed(asked)
    answers["loop"] = {"seconds": round(played, 3)}
    return answers


def _timed(asked: Callable[[], Answer]) -> Answer:
    begun = time.perf_counter()
    try:
        found = asked()
    except Exception as error:  # noqa: BLE001 - a refusal is an answer
        found = {"ok": None, "says": f"{type(error).__name__}: {error}"[:300]}
    return {**found, "seconds": round(time.perf_counter() - begun, 3)}


def _not_for(why: str) -> Answer:
    return {"ok": None, "not for": why}


def tap(name: str, *, right: bool, rank: int, workers: int) -> Answer:
    """Watch the step."""
    played = played_on(Stage(watching=True, rank=rank, workers=workers), name, right=right)
    if played.report is None:
        return _not_for("needs a loop in PyTorch's autograd")
    return _reported(played.report)


def audit(played: Played) -> Answer:
    """Audit the gradients: with counts, the full gradient, and what else is known of the step."""
    from gradexplain import PerWorker, Term, audit_accumulation

    parts = [part_gradient(played, batch) for batch in played.batches]
    full = full_gradient(played)

    def mean_of(each: Any, batch: Any) -> Any:
        return gradient_of(played, lambda: each(played.model, batch).mean())

    terms = {
        name: Term(
            [mean_of(side.each, batch) for batch in played.batches],
            [len(side.each(played.model, batch)) for batch in played.batches],
            side.weight,
        )
        for name, side in played.sides.items()
    }
    extra = {
        name: gradient_of(played, partial(one, played.model)) for name, one in played.extra.items()
    }
    handed: Any = played.handed[0] if len(played.handed) == 1 else PerWorker(list(played.handed))
    norm = float(np.linalg.norm(vector(full)))
    report = audit_accumulation(
        handed,
        parts,
        counts=counted(played),
        full=full,
        terms=terms or None,
        groups=played.groups,
        extra=extra or None,
        expect_factor=clipped(played, norm),
    )
    return _reported(report)


def _reported(report: Any) -> Answer:
    return {
        "ok": report.ok,
        "verdict": report.verdict.value,
        "factor": report.factor,
        "says": report.summary,
        "weights": [None if w is None else round(w, 6) for w in report.weights],
        "terms": {name: [verdict.value, says] for name, verdict, says in report.terms},
        "notes": list(report.notes),
    }


def allclose(played: Played) -> Answer:
    """Compare with the full batch's gradient by `torch.testing.assert_close` and its defaults."""
    import torch

    full, handed = torch.from_numpy(whole_gradient(played)), _handed(played)
    kind = getattr(next(iter(played.handed[0].values())), "dtype", None)
    kind = kind if kind is torch.bfloat16 else torch.float32
    try:
        for one in handed:
            torch.testing.assert_close(torch.from_numpy(one).to(kind), full.to(kind))
    except AssertionError as error:
        return {"ok": False, "says": str(error).splitlines()[0]}
    return {"ok": True, "says": "close"}


def cosine(played: Played) -> Answer:
    """Compare the directions."""
    full = whole_gradient(played)
    least = min(
        float(one @ full) / float(np.linalg.norm(one) * np.linalg.norm(full))
        for one in _handed(played)
    )
    return {"ok": least >= COSINE, "says": f"cosine {least:.4f}"}


def loss(played: Played) -> Answer:
    """Compare the loss that was differentiated with the full batch's."""
    if played.loss is None or played.ready:
        return _not_for("the loop differentiates no scalar that could be noted")
    off = abs(played.loss - float(whole_loss(played)))
    return {"ok": bool(off <= LOSS), "says": f"losses differ by {off:.3g}"}


def _handed(played: Played) -> list[Any]:
    return [vector(one) for one in played.handed]


def pytest_torch(name: str, *, right: bool) -> Answer:
    """Let `assert_accumulation_equivalent` run the loop on micro-batches and on the full batch."""
    known = about(name)
    if name.startswith("right: ") and not known.real and known.workers == 1:
        return _pytest_control(name)
    if known.real:
        return _not_for("needs a step function; this step is the framework's own")
    if known.workers > 1:
        return _not_for("compares one process with itself")
    import importlib

    from museum import worlds

    module: Any = importlib.import_module(f"museum.bugs.{name}")
    world = worlds.make(known.world, "float32")
    return _equivalent(module, module.after if right else module.before, world, right=right)


def _pytest_control(name: str) -> Answer:
    from museum import controls, worlds

    control = controls.CONTROLS[name]
    if control.steps < 2:
        return _not_for("needs two micro-batches")
    world = controls._world(control, worlds)  # noqa: SLF001 - of the museum, too
    if control.arithmetic == "bfloat16 model":
        build = world.model
        world.model = lambda: build().bfloat16()
        world.batches = [[(x.bfloat16(), y) for x, y in mine] for mine in world.batches]
    loose = None if control.arithmetic == "float32" else HALF
    return _equivalent(
        None, lambda loop: controls.step(loop, control), world, right=True, tolerances=loose
    )


def _equivalent(
    module: Any,
    step: Callable[[Loop], Any],
    world: Any,
    *,
    right: bool,
    tolerances: dict[str, float] | None = None,
) -> Answer:
    import torch
    from pytest_torch import TrainingSetup, assert_accumulation_equivalent

    from museum import worlds

    ((*batches,),) = world.batches
    if not all(map(world.valid, batches)):
        return _not_for("a batch that is not finite spoils the full one")

    def setup() -> Any:
        model = world.model()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        if hasattr(module, "prior"):
            loop = Loop(model, optimizer, batches, _untouched, model, world=world)
            module.prior(loop, right=right)
        return TrainingSetup(model, optimizer)

    def make_step(number: int) -> Callable[[Any, Any], None]:
        collected: list[Any] = []

        def train(given: Any, batch: Any) -> None:
            collected.append(tuple(batch))
            if len(collected) == number:
                batches = tuple(collected)
                model = given.model
                step(Loop(model, given.optimizer, batches, _untouched, model, world=world))
                given.optimizer.zero_grad()
                collected.clear()

        return train

    whole = worlds.merged(batches)
    try:
        assert_accumulation_equivalent(
            setup,
            [whole, whole],
            make_step,
            accumulation_steps=len(batches),
            split=lambda *_: list(batches),
            **(tolerances or {}),
        )
    except AssertionError as error:
        text = str(error)
        cause = text[text.index("Likely cause:") :] if "Likely cause:" in text else text
        return {
            "ok": False,
            "says": " ".join(cause.split())[:300],
            "cause": "Likely cause:" in text,
        }
    return {"ok": True, "says": "equivalent"}


def _untouched(loss_: Any, *_: Any, **__: Any) -> Any:
    return loss_
