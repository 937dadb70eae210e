"""A network split over four devices, accumulated by optax; print the audits, sketched and whole."""

import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"  # read once, as JAX starts

import json
import sys

import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from field.examples.jax_shards import audit_shards
from field.tiny_jax import catching, masked_batches, mean_loss, parts, weights
from gradexplain import audit_accumulation

COUNTS = (8, 1, 4, 2)

jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - JAX's own signature
mesh = Mesh(np.array(jax.devices()), ("devices",))
placed = {
    "hidden": NamedSharding(mesh, PartitionSpec(None, "devices")),  # columns cut in four
    "output": NamedSharding(mesh, PartitionSpec()),  # the same on every device
}
at = jax.device_put(weights(hidden=8), placed)
batches = masked_batches(COUNTS)
optimizer = optax.MultiSteps(catching(), every_k_schedule=len(COUNTS))
state = optimizer.init(at)
for batch in batches:
    _, state = optimizer.update(jax.grad(mean_loss)(at, batch), state, at)
accumulated, own = state.inner_opt_state, parts(at, batches)
if len(own[0]["hidden"].sharding.device_set) != 4:
    raise AssertionError("the gradients are not spread over the devices")
sketched = audit_shards(accumulated, own, COUNTS, mesh)
whole = audit_accumulation(accumulated, own, counts=COUNTS)
json.dump([sketched.to_dict(), whole.to_dict()], sys.stdout)
