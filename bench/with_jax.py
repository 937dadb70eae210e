"""The same works in JAX, compiled; the one by hand as one would write it who knows the formula."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.cases import Array, Case, Run, draw_batch

PACKAGES = ("jax", "jaxlib", "numpy")
jax.config.update("jax_enable_x64", True)  # noqa: FBT003 - JAX's own name for float64
Weights = list[tuple[Any, Any]]
_HIDDEN = {"relu": jax.nn.relu, "tanh": jnp.tanh}


def jit_grad(case: Case) -> Run:
    weights, x, y, hidden = _network(case)

    def mean_loss(weights: Weights, x: Any, y: Any) -> Any:
        return jnp.mean(_losses(weights, x, y, hidden))

    return _compiled(jax.grad(mean_loss), weights, x, y)


def jit_vmap_grad(case: Case) -> Run:
    weights, x, y, hidden = _network(case)
    return _compiled(_each_gradient(hidden), weights, x, y)


def norms_by_vmap(case: Case) -> Run:
    weights, x, y, hidden = _network(case)

    def norms(weights: Weights, x: Any, y: Any) -> Any:
        each = jax.tree.leaves(_each_gradient(hidden)(weights, x, y))
        return jnp.sqrt(sum(jnp.sum(g.reshape(len(x), -1) ** 2, axis=1) for g in each))

    return _compiled(norms, weights, x, y)


def norms_by_hand(case: Case) -> Run:
    weights, x, y, hidden = _network(case)

    def norms(weights: Weights, x: Any, y: Any) -> Any:
        a, z = [x], []
        for W, b in weights:
            z.append(a[-1] @ W.T + b)
            a.append(hidden(z[-1]))
        delta, total = jax.nn.softmax(z[-1]) - y, 0.0
        for l in reversed(range(len(weights))):
            squares = jnp.sum(a[l] ** 2, axis=1) + 1
            total += jnp.sum(delta**2, axis=1) * squares
            if l:
                slope = z[l - 1] > 0 if hidden is jax.nn.relu else 1 - a[l] ** 2
                delta = (delta @ weights[l][0]) * slope
        return jnp.sqrt(total)

    return _compiled(norms, weights, x, y)


def arrays(result: Any) -> list[Array]:
    if isinstance(result, list):
        return [np.asarray(layer[part]) for part in (0, 1) for layer in result]
    return [np.asarray(result)]


def _compiled(function: Any, *arguments: Any) -> Run:
    compiled = jax.jit(function)
    return lambda: jax.block_until_ready(compiled(*arguments))


def _each_gradient(hidden: Any) -> Any:
    def loss(weights: Weights, x: Any, y: Any) -> Any:
        return _losses(weights, x, y, hidden)

    return jax.vmap(jax.grad(loss), in_axes=(None, 0, 0))


def _losses(weights: Weights, x: Any, y: Any, hidden: Any) -> Any:
    """Return one loss for each row of x; for one row, its loss."""
    for W, b in weights[:-1]:
        x = hidden(x @ W.T + b)
    W, b = weights[-1]
    return -jnp.sum(y * jax.nn.log_softmax(x @ W.T + b), axis=-1)


def _network(case: Case) -> tuple[Weights, Any, Any, Any]:
    batch = draw_batch(case)
    pairs = zip(batch.weights, batch.biases, strict=True)
    weights = [(jnp.asarray(W), jnp.asarray(b)) for W, b in pairs]
    return weights, jnp.asarray(batch.x), jnp.asarray(batch.y), _HIDDEN[batch.hidden]
