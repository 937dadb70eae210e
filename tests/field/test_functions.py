"""`check_accumulation` on functions of JAX, optax and Keras: right ones pass, wrong ones are named.

JAX reads the number of devices once, as it starts.
"""

import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
os.environ["KERAS_BACKEND"] = "torch"

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest
import torch
from jax.sharding import Mesh, PartitionSpec

from field.tiny_jax import Batch, Weights, catching, masked_batches, mean_loss, summed_loss, weights
from gradexplain import check_accumulation

try:
    from jax import shard_map
except ImportError:  # before JAX 0.6
    from jax.experimental.shard_map import shard_map

COUNTS = (8, 1, 4, 2)
BATCHES = masked_batches(COUNTS)
mean_gradient = jax.grad(mean_loss)
Step = Callable[[Weights, Sequence[Batch]], Any]


# One device


def divided_by_all(at: Weights, batches: Sequence[Batch]) -> Weights:
    total = sum(jnp.sum(mask) for _, _, mask in batches)
    return jax.grad(lambda at: sum(summed_loss(at, batch) for batch in batches) / total)(at)


def mean_of_means(at: Weights, batches: Sequence[Batch]) -> Weights:
    return jax.grad(lambda at: sum(mean_loss(at, batch) for batch in batches) / len(batches))(at)


def scanned(at: Weights, batches: Sequence[Batch]) -> Weights:
    """A `lax.scan` that carries the last gradient where it should carry the sum."""

    def step(_: Weights, batch: Batch) -> tuple[Weights, None]:
        return jax.grad(summed_loss)(at, batch), None

    carried, _ = jax.lax.scan(step, jax.tree.map(jnp.zeros_like, at), stacked(batches))
    return jax.tree.map(lambda g: g / sum(COUNTS), carried)


# Four devices


def stacked(batches: Sequence[Batch]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)


def spread(one: Callable[[Weights, Batch], Weights]) -> Step:
    """Run a function of a device's own batch on each of four devices, by `shard_map`."""
    mesh = Mesh(np.array(jax.devices()), ("devices",))
    own, everywhere = PartitionSpec("devices"), PartitionSpec()

    def step(at: Weights, batches: Sequence[Batch]) -> Weights:
        def here(at: Weights, batch: Any) -> Weights:
            # The gradient of a weight that is the same everywhere is summed over the devices
            # already in newer releases; a device's own copy keeps the two apart.
            mine = jax.tree.map(lambda leaf: leaf + 0 * jnp.sum(batch[2]), at)
            return one(mine, jax.tree.map(lambda leaf: leaf[0], batch))

        mapped = shard_map(here, mesh=mesh, in_specs=(everywhere, own), out_specs=everywhere)
        return jax.jit(mapped)(at, stacked(batches))

    return step


def by_pmean(at: Weights, batch: Batch) -> Weights:
    return jax.lax.pmean(mean_gradient(at, batch), "devices")


def by_psum(at: Weights, batch: Batch) -> Weights:
    total = jax.lax.psum(jnp.sum(batch[2]), "devices")
    return jax.tree.map(
        lambda g: g / total, jax.lax.psum(jax.grad(summed_loss)(at, batch), "devices")
    )


def summed_means(at: Weights, batch: Batch) -> Weights:
    return jax.lax.psum(mean_gradient(at, batch), "devices")


def mapped(one: Callable[[Weights, Batch], Weights]) -> Step:
    """Run a function of a device's own batch on each of four devices, by `pmap`."""

    def step(at: Weights, batches: Sequence[Batch]) -> Weights:
        everywhere = jax.pmap(one, axis_name="devices", in_axes=(None, 0))
        return jax.tree.map(lambda leaf: leaf[0], everywhere(at, stacked(batches)))

    return step


# Optax


def multi_steps(loss: Callable[[Weights, Batch], Any]) -> Step:
    def step(at: Weights, batches: Sequence[Batch]) -> Weights:
        optimizer = optax.MultiSteps(catching(), every_k_schedule=len(batches))
        state, update = optimizer.init(at), jax.jit(optimizer.update)
        for batch in batches:
            _, state = update(jax.grad(loss)(at, batch), state, at)
        return state.inner_opt_state

    return step


@pytest.mark.parametrize(
    ("step", "verdict"),
    [
        (divided_by_all, "exact"),
        (jax.jit(divided_by_all), "exact"),
        (mean_of_means, "mean-of-means"),
        (scanned, "dropped"),
        (spread(by_psum), "exact"),
        (spread(by_pmean), "mean-of-means"),
        (spread(summed_means), "mean-of-means"),
        (mapped(by_psum), "exact"),
        (mapped(by_pmean), "mean-of-means"),
        (multi_steps(mean_loss), "mean-of-means"),
        (multi_steps(lambda at, batch: summed_loss(at, batch) * 4 / sum(COUNTS)), "exact"),
    ],
    ids=[
        "divided by all",
        "jitted",
        "mean of means",
        "scan",
        "psum",
        "pmean",
        "psum of means",
        "psum by pmap",
        "pmean by pmap",
        "MultiSteps",
        "MultiSteps of sums",
    ],
)
def test_jax_and_optax(step: Step, verdict: str) -> None:
    report = check_accumulation(step, mean_gradient, weights(), BATCHES, COUNTS)
    assert report.verdict.value == verdict, report
    assert report.ok is (verdict == "exact")


def test_bfloat16_weights_are_read() -> None:
    at = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), weights(64))
    for step, verdict in ((divided_by_all, "exact"), (mean_of_means, "mean-of-means")):
        report = check_accumulation(step, mean_gradient, at, BATCHES, COUNTS)
        assert report.verdict.value == verdict, report


# Keras


class Catching(keras.optimizers.SGD):
    """Keeps each gradient that Keras hands to the update of a variable, and moves none."""

    def __init__(self, steps: int) -> None:
        super().__init__(gradient_accumulation_steps=steps)
        self.handed: dict[str, Any] = {}

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:  # noqa: ARG002
        self.handed[variable.path] = gradient.detach().clone()


@pytest.mark.parametrize(
    ("reduction", "verdict"), [("sum_over_batch_size", "mean-of-means"), ("sum", "exact")]
)
def test_keras(reduction: str, verdict: str) -> None:
    """`fit` over 26 examples in batches of 8; of sums over the mean count it is right."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(6, activation="tanh"), keras.layers.Dense(1)])
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(26, 5)).astype("float32"), rng.normal(size=(26, 1)).astype("float32")
    model(x)

    def step(_: Any, batches: Sequence[slice]) -> dict[str, Any]:
        optimizer = Catching(len(batches))
        weight = len(batches) / len(x) if reduction == "sum" else 1.0
        loss = keras.losses.MeanSquaredError(reduction=reduction)
        model.compile(optimizer=optimizer, loss=loss, loss_weights=[weight])
        model.fit(x, y, batch_size=8, epochs=1, shuffle=False, verbose=0)
        return optimizer.handed

    def mean(_: Any, at: slice) -> dict[str, Any]:
        model.zero_grad()
        torch.nn.functional.mse_loss(model(x[at]), torch.from_numpy(y[at])).backward()
        return {v.path: v.value.grad for v in model.trainable_variables}

    params = {v.path: v.value for v in model.trainable_variables}
    batches = [slice(0, 8), slice(8, 16), slice(16, 24), slice(24, 26)]
    report = check_accumulation(step, mean, params, batches, [8, 8, 8, 2])
    assert report.verdict.value == verdict, report
