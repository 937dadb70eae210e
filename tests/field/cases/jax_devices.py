"""JAX: data parallel over four devices with unequal counts. `pmean` is a mean of means."""

import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"  # read once, as JAX starts

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from field.capture import Capture
from field.tiny_jax import Batch, Weights, catching, masked_batches, mean_loss, parts, summed_loss
from field.tiny_jax import weights as start

PACKAGE = "jax"
COUNTS = (8, 1, 4, 2)


def pmean() -> Capture:
    """Each device the mean over its own targets, then `lax.pmean` of the gradients."""

    def gradient(at: Weights, batch: Batch) -> Weights:
        return jax.lax.pmean(jax.grad(mean_loss)(at, batch), "devices")

    return _parallel(gradient)


def psum() -> Capture:
    """The same, right: `lax.psum` of summed gradients over `lax.psum` of the counts."""

    def gradient(at: Weights, batch: Batch) -> Weights:
        total = jax.lax.psum(jnp.sum(batch[2]), "devices")
        summed = jax.lax.psum(jax.grad(summed_loss)(at, batch), "devices")
        return jax.tree.map(lambda g: g / total, summed)

    return _parallel(gradient)


def _parallel(gradient: Callable[[Weights, Batch], Weights]) -> Capture:
    at, batches, optimizer = start(), masked_batches(COUNTS), catching()

    @functools.partial(jax.pmap, axis_name="devices", in_axes=(None, None, 0))
    def step(at: Weights, state: Weights, batch: Batch) -> tuple[Weights, Weights]:
        updates, state = optimizer.update(gradient(at, batch), state, at)
        return optax.apply_updates(at, updates), state

    stacked: Any = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)
    _, handed = step(at, optimizer.init(at), stacked)
    return Capture(jax.tree.map(lambda g: g[0], handed), parts(at, batches), COUNTS)
