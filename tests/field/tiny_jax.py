"""A tiny network and masked micro-batches of unequal count, for every JAX case."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

Weights = dict[str, Any]
Batch = tuple[Any, Any, Any]  # inputs (8, 5), targets (8,), and a mask of those that count


def weights(hidden: int = 6) -> Weights:
    rng = np.random.default_rng(0)
    shapes = {"hidden": (5, hidden), "output": (hidden,)}
    return {name: jnp.asarray(rng.normal(size=shape), "float32") for name, shape in shapes.items()}


def masked_batches(counts: Sequence[int]) -> list[Batch]:
    rng = np.random.default_rng(1)
    return [
        (
            jnp.asarray(rng.normal(size=(8, 5)), "float32"),
            jnp.asarray(rng.normal(size=8), "float32"),
            jnp.asarray(np.arange(8) < count, "float32"),
        )
        for count in counts
    ]


def summed_loss(weights: Weights, batch: Batch) -> Any:
    inputs, targets, mask = batch
    found = jnp.tanh(inputs @ weights["hidden"]) @ weights["output"]
    return jnp.sum(mask * (found - targets) ** 2)


def mean_loss(weights: Weights, batch: Batch) -> Any:
    """The mean over the targets that count."""
    return summed_loss(weights, batch) / jnp.sum(batch[2])


def catching() -> optax.GradientTransformation:
    """An optimizer that keeps what it is handed as its state, and moves no weight."""

    def update(handed: Weights, _: Weights, __: Weights | None = None) -> tuple[Weights, Weights]:
        return jax.tree.map(jnp.zeros_like, handed), handed

    return optax.GradientTransformation(
        lambda weights: jax.tree.map(jnp.zeros_like, weights), update
    )


def parts(at: Weights, batches: Sequence[Batch]) -> list[Weights]:
    return [jax.grad(mean_loss)(at, batch) for batch in batches]
