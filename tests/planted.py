"""Training loops with a planted mistake: deep networks in float32, or in half precision.

Each micro-batch's backward pass starts from its own factor, as in `(loss * w).backward()`, so that
parts and terms round differently in every layer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Gradient = dict[str, Array]

#: For each mistake, the verdict that names it.
MISTAKES = {
    "none": "exact",
    "every part alike": "mean-of-means",
    "every part alike, never divided": "mean-of-means",
    "never divided": "rescaled",
    "halved": "rescaled",
    "one part dropped": "dropped",
    "one part halved": "reweighted",
}


@dataclass(frozen=True)
class Loop:
    """One accumulation step: what it handed to the optimizer, and what its parts are."""

    mistake: str
    accumulated: Gradient
    parts: list[Gradient]
    counts: list[int]


def loops(arithmetic: str, number: int, seed: int = 0) -> Iterator[Loop]:
    """Yield loops of 2 to 64 micro-batches, each mistake in turn."""
    names = list(MISTAKES)
    for index in range(number):
        rng = np.random.default_rng([seed, index, len(arithmetic)])
        K = int(np.round(2 ** rng.uniform(1, 6)))
        yield _loop(rng, names[index % len(names)], arithmetic, K)


def _loop(rng: np.random.Generator, mistake: str, arithmetic: str, K: int) -> Loop:
    depth, width = int(rng.integers(2, 13)), int(rng.integers(8, 33))
    sizes = [6, *[width] * depth, 5]
    net = [rng.standard_normal((m, n)) / np.sqrt(n) for n, m in pairwise(sizes)]
    counts = rng.integers(1, 21, size=K)
    counts[0], counts[1] = 20, 1 + counts[1] // 3  # never all alike
    batches = [(rng.standard_normal((n, 6)), np.eye(5)[rng.integers(0, 5, size=n)]) for n in counts]
    rounded = _rounder(arithmetic)
    weights = _weights(rng, mistake, counts / counts.sum())
    parts = [_gradient(net, x, y, 1.0, rounded) for x, y in batches]
    total = {name: np.zeros_like(value) for name, value in parts[0].items()}
    for (x, y), weight in zip(batches, weights, strict=True):
        if weight != 0:
            term = _gradient(net, x, y, float(weight), rounded)
            total = {name: rounded(total[name] + term[name]) for name in total}
    return Loop(mistake, total, parts, counts.tolist())


def _weights(rng: np.random.Generator, mistake: str, right: Array) -> Array:
    K, k = len(right), int(rng.integers(len(right)))
    alike, other = np.full(K, 1 / K), np.arange(K) != k
    return {
        "none": right,
        "every part alike": alike,
        "every part alike, never divided": K * alike,
        "never divided": K * right,
        "halved": right / 2,
        "one part dropped": np.where(other, right, 0),
        "one part halved": np.where(other, right, right / 2),
    }[mistake]


def _rounder(arithmetic: str) -> Any:
    kind = np.dtype(ml_dtypes.bfloat16 if arithmetic == "bfloat16" else arithmetic)
    return lambda values: np.asarray(values, np.float32).astype(kind).astype(np.float32)


def _gradient(net: list[Array], x: Array, y: Array, factor: float, rounded: Any) -> Gradient:
    """Return the gradient of factor × the mean cross-entropy, rounded after every operation."""
    activations, weights = [rounded(x)], [rounded(W) for W in net]
    for W in weights[:-1]:
        activations.append(rounded(np.tanh(rounded(activations[-1] @ W.T))))
    z = rounded(activations[-1] @ weights[-1].T)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    delta = rounded(rounded(p / p.sum(axis=1, keepdims=True) - y) * rounded(factor / len(x)))
    found: Gradient = {}
    for layer in reversed(range(len(net))):
        found[f"{layer}.weight"] = rounded(delta.T @ activations[layer])
        if layer:
            slope = rounded(1 - rounded(activations[layer] ** 2))
            delta = rounded(rounded(delta @ weights[layer]) * slope)
    return found
