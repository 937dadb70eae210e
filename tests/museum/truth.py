"""The truth of each exhibit: what it averages, in float64, from each target's own gradient.

It knows nothing of any tool. The gradient that the optimizer got is solved for the weight of every
target; a part's weight is the sum of its targets'. Where a loss has no targets (a contrastive one),
the parts' own gradients take their place, and what they leave over says that no weights will do.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from museum.exhibit import Played, Stage
from museum.vectors import Array, counted, gradient_of, part_gradient, vector, whole_gradient

DIGITS = 6


def truth(played: Played) -> dict[str, Any]:
    """Return the weights of each part, term and worker, and how far the step is off."""
    columns, owners = _columns(played)
    handed = [vector(one) for one in played.handed]
    full = whole_gradient(played)
    alike = all(np.allclose(handed[0], one, rtol=1e-9, atol=1e-12) for one in handed)
    found: dict[str, Any] = {"error": _rounded(_norm(handed[0] - full) / _norm(full))}
    targets = counted(played)
    found["expected"] = [_rounded(n / sum(targets)) for n in targets]
    for side in played.sides:
        sizes = [len(played.sides[side].each(played.model, batch)) for batch in played.batches]
        weight = played.sides[side].weight
        found[f"expected {side}"] = [_rounded(weight * n / sum(sizes)) for n in sizes]
    solved = [_solved(columns, owners, one) for one in handed]
    found |= solved[0]
    if not alike:
        found["workers"] = [one["weights"] for one in solved]
    if played.extra:
        found["extra"] = list(played.extra)
    return found


def _columns(played: Played) -> tuple[Array, list[tuple[str, int]]]:
    """Return the gradients of all targets, and the term and part that each belongs to."""
    columns, owners = [], []
    for k, batch in enumerate(played.batches):
        if played.each is None:
            columns.append(vector(part_gradient(played, batch)))
            owners.append(("loss", k))
        else:
            for gradient in _each(played, played.each, batch):
                columns.append(gradient)
                owners.append(("loss", k))
        for name, side in played.sides.items():
            for gradient in _each(played, side.each, batch):
                columns.append(gradient)
                owners.append((name, k))
    for name, loss in played.extra.items():
        columns.append(vector(gradient_of(played, partial(loss, played.model))))
        owners.append((name, 0))
    return np.stack(columns, axis=1), owners


def _each(played: Played, each: Any, batch: Any) -> list[Array]:
    losses = each(played.model, batch)
    if played.gradient is not None:
        every = range(len(losses))
        return [
            vector(gradient_of(played, partial(_one_of, each, played, batch, i))) for i in every
        ]
    return [vector(gradient_of(played, partial(_itself, loss))) for loss in losses]


def _one_of(each: Any, played: Played, batch: Any, i: int) -> Any:
    return each(played.model, batch)[i]


def _itself(loss: Any) -> Any:
    return loss


def _solved(columns: Array, owners: list[tuple[str, int]], handed: Array) -> dict[str, Any]:
    """Return the weights by term and part, how much they vary inside, and what they leave over."""
    weights, *_ = np.linalg.lstsq(columns, handed, rcond=1e-11)
    left = _norm(columns @ weights - handed) / max(_norm(handed), 1e-300)
    found: dict[str, Any] = {"outside": _rounded(left)}
    for term in dict.fromkeys(name for name, _ in owners):
        parts = sorted({k for name, k in owners if name == term})
        mine = {k: weights[[i for i, own in enumerate(owners) if own == (term, k)]] for k in parts}
        name = "weights" if term == "loss" else f"weights {term}"
        found[name] = [_rounded(mine[k].sum()) for k in parts]
        spread = max(float(np.ptp(w)) * len(w) for w in mine.values())
        if spread > 1e-4:
            found[f"{name} vary inside by"] = _rounded(spread)
    return found


def _norm(values: Array) -> float:
    return float(np.linalg.norm(values))


def _rounded(value: float) -> float:
    return 0.0 if abs(value) < 1e-9 else round(float(value), DIGITS)


def ask(name: str, *, right: bool, rank: int, workers: int) -> dict[str, Any] | None:
    """Return the truth of one version of an exhibit."""
    from museum.one import played_on

    stage = Stage("float64", rank=rank, workers=workers)
    played = played_on(stage, name, right=right)
    return truth(replace(played, owner=None)) if rank == 0 else None
