"""Optax: `MultiSteps(optimizer, every_k_schedule=4)`."""

from collections.abc import Callable
from typing import Any

import jax
import optax

from field.capture import Capture
from field.tiny_jax import Batch, Weights, catching, masked_batches, mean_loss, parts, weights
from field.tiny_jax import summed_loss as summed

PACKAGE = "optax"
ACCUMULATE = 4
COUNTS = (8, 1, 4, 2)


def unequal_counts() -> Capture:
    """Four micro-batches, each the mean over its own targets."""
    return _accumulate(mean_loss)


def sum_over_targets() -> Capture:
    """The same, right: each micro-batch's sum, over the mean count of the step's micro-batches."""
    per_micro_batch = sum(COUNTS) / ACCUMULATE
    return _accumulate(lambda at, batch: summed(at, batch) / per_micro_batch)


def _accumulate(loss: Callable[[Weights, Batch], Any]) -> Capture:
    at, batches = weights(), masked_batches(COUNTS)
    optimizer = optax.MultiSteps(catching(), every_k_schedule=ACCUMULATE)
    state = optimizer.init(at)
    for batch in batches:
        updates, state = optimizer.update(jax.grad(loss)(at, batch), state, at)
        at = optax.apply_updates(at, updates)
    return Capture(state.inner_opt_state, parts(at, batches), COUNTS)
