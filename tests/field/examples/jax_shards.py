"""JAX: each device's shards are sketched where they lie, and one `psum` gives the report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gradexplain import Report, audit_accumulation, sketch
from gradexplain.audit import Sketch

try:
    from jax import shard_map
except ImportError:  # before JAX 0.6
    from jax.experimental.shard_map import shard_map

Gradient = Mapping[str, Any]
SIZE = 4093


def audit_shards(
    accumulated: Gradient, parts: Sequence[Gradient], counts: Sequence[float], mesh: Mesh
) -> Report:
    """Audit gradients whose arrays are sharded over the devices of a mesh of one axis.

    The sum must be taken in float64: set `jax_enable_x64`.
    """
    gradients = [*parts, accumulated]
    devices, (axis,) = list(mesh.devices.flat), mesh.axis_names
    shards = [[sketch_on(device, g) for g in gradients] for device in devices]
    rows = np.stack([[shard.values for shard in each] for each in shards])
    spread = jax.device_put(rows, NamedSharding(mesh, PartitionSpec(axis)))

    def add_up(mine: jax.Array) -> jax.Array:
        return jax.lax.psum(mine[0], axis)

    total = shard_map(add_up, mesh=mesh, in_specs=PartitionSpec(axis), out_specs=PartitionSpec())(
        spread
    )
    first = shards[0][0]
    *sketches, last = (replace(first, values=row) for row in np.asarray(total))
    return audit_accumulation(last, sketches, counts=counts)


def sketch_on(device: jax.Device, gradient: Gradient) -> Sketch:
    """Sketch what one device holds of a gradient; of what several hold alike, the first's."""
    held: dict[str, Any] = {}
    offsets: dict[str, Any] = {}
    for name, array in gradient.items():
        for shard in array.addressable_shards:
            if shard.device == device and shard.replica_id == 0:
                held[name] = np.asarray(shard.data)
                corner = tuple(part.start or 0 for part in shard.index)
                offsets[name] = (corner, array.shape)
    if not held:
        return Sketch(np.zeros(SIZE), seed=0, dtype="float64", numbers=0)
    return sketch(held, SIZE, offsets=offsets)
