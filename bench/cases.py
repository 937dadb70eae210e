"""What is computed on: drawn from a seed, so that every environment has the same numbers.

NumPy and the standard library only: each environment imports this.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Run = Callable[[], object]  # does the work once and returns what came of it


@dataclass(frozen=True)
class Network:
    sizes: tuple[int, ...]
    N: int
    hidden: str = "relu"


NETWORKS = {
    "S": Network((784, 128, 64, 10), 256),
    "S tanh": Network((784, 128, 64, 10), 256, "tanh"),
    "M": Network((784, 512, 512, 10), 512),
    "T": Network((3, 5, 4, 2), 8),
}


@dataclass(frozen=True)
class Case:
    """A network and its batch, N of its own where it is zero; or K gradients of P numbers."""

    network: str = ""
    dtype: str = "float32"
    N: int = 0
    P: int = 0
    K: int = 0


@dataclass(frozen=True)
class Batch:
    weights: list[Array]
    biases: list[Array]
    x: Array
    y: Array  # rows that sum to one: the loss is the cross-entropy of a softmax
    hidden: str


@dataclass(frozen=True)
class Gradients:
    parts: list[Array]
    counts: list[int]
    accumulated: Array


def draw_batch(case: Case) -> Batch:
    net = NETWORKS[case.network]
    rng, dtype, N = np.random.default_rng(7), np.dtype(case.dtype), case.N or net.N
    layers = list(pairwise(net.sizes))
    y = rng.random((N, net.sizes[-1]))
    return Batch(
        [(rng.standard_normal((o, i)) / np.sqrt(i)).astype(dtype) for i, o in layers],
        [(rng.standard_normal(o) / 2).astype(dtype) for _, o in layers],
        rng.standard_normal((N, net.sizes[0])).astype(dtype),
        (y / y.sum(axis=1, keepdims=True)).astype(dtype),
        net.hidden,
    )


_drawn: dict[int, Gradients] = {}  # by K, the longest so far: shorter ones are views of it


def draw_gradients(case: Case) -> Gradients:
    """Return K micro-batch gradients in float32, and the weighted sum that a right loop makes."""
    longest = _drawn.get(case.K)
    if longest is None or len(longest.accumulated) < case.P:
        _drawn.clear()
        rng = np.random.default_rng(7)
        parts = [rng.random(case.P, dtype=np.float32) for _ in range(case.K)]
        for part in parts:
            np.subtract(part, 0.5, out=part)
        counts = list(range(1, case.K + 1))
        accumulated = np.zeros(case.P, np.float32)
        for count, part in zip(counts, parts, strict=True):
            accumulated += np.float32(count / sum(counts)) * part
        longest = _drawn[case.K] = Gradients(parts, counts, accumulated)
    parts = [part[: case.P] for part in longest.parts]
    return Gradients(parts, longest.counts, longest.accumulated[: case.P])
