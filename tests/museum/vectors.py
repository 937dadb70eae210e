"""Gradients as vectors: of targets, of parts, of the whole."""

from collections.abc import Callable
from typing import Any

import numpy as np

from museum.exhibit import Played

Array = np.ndarray[Any, np.dtype[np.float64]]


def vector(gradient: Any) -> Array:
    """Return a gradient, given by parameter's name, as one vector."""
    return np.concatenate([_plain(gradient[name]) for name in sorted(gradient)])


def gradient_of(played: Played, loss: Callable[[], Any]) -> dict[str, Any]:
    """Return the gradient of a loss, by parameter's name, and leave none behind."""
    if played.gradient is not None:
        return played.gradient(loss)
    import torch

    named = {n: w for n, w in played.model.named_parameters() if w.requires_grad}
    found = torch.autograd.grad(loss(), list(named.values()), allow_unused=True, retain_graph=True)
    return {
        name: torch.zeros_like(w) if g is None else g.detach()
        for (name, w), g in zip(named.items(), found, strict=True)
    }


def part_gradient(played: Played, batch: Any) -> dict[str, Any]:
    """Return the gradient of a micro-batch's own loss, as its owner would compute it."""
    if played.ready:
        return dict(batch)
    own = played.owner or played.part
    if own is not None:
        return gradient_of(played, lambda: own(played.model, batch))
    each = played.each
    assert each is not None
    return gradient_of(played, lambda: each(played.model, batch).mean())


def whole_loss(played: Played) -> Any:
    """Return the loss of all micro-batches together, with its terms."""
    model, batches = played.model, played.batches
    if played.whole is not None:
        loss = played.whole(model, batches)
    elif played.owner is not None:
        counts = counted(played)
        loss = sum(
            n * played.owner(model, batch) for n, batch in zip(counts, batches, strict=True)
        ) / sum(counts)
    else:
        loss = _mean(played.each, model, batches)
    for side in played.sides.values():
        loss = loss + side.weight * _mean(side.each, model, batches)
    return loss


def full_gradient(played: Played) -> dict[str, Any]:
    """Return the gradient of the whole, by parameter's name."""
    if not played.ready:
        return gradient_of(played, lambda: whole_loss(played))
    total = sum(counted(played))
    return {
        name: sum(
            np.asarray(part[name]) * n / total
            for part, n in zip(played.batches, counted(played), strict=True)
        )
        for name in played.batches[0]
    }


def whole_gradient(played: Played) -> Array:
    """Return the gradient of the whole, clipped where the step is meant to be."""
    full = vector(full_gradient(played))
    return full * clipped(played, float(np.linalg.norm(full)))


def clipped(played: Played, norm: float) -> float:
    """Return the factor of `clip_grad_norm_`, as torch computes it, where the step clips."""
    return min(1.0, played.clip / (norm + 1e-6)) if played.clip else 1.0


def counted(played: Played) -> list[float]:
    """Return how many targets each micro-batch has."""
    if played.counts is not None:
        return list(played.counts)
    if played.each is None:
        return [len(batch[0]) for batch in played.batches]
    return [len(played.each(played.model, batch)) for batch in played.batches]


def _mean(each: Any, model: Any, batches: Any) -> Any:
    losses = [each(model, batch) for batch in batches]
    return sum(one.sum() for one in losses) / sum(len(one) for one in losses)


def _plain(values: Any) -> Array:
    detached = values.detach().double().numpy() if hasattr(values, "detach") else values
    return np.asarray(detached, dtype=np.float64).ravel()
