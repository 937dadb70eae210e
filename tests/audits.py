"""What the audit's tests share: parts whose weights are known, and A made from them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gradexplain import Report, Verdict, audit_accumulation
from gradexplain.audit.read.tensors import Values

Gradient = dict[str, Values]
COUNTS = [10.0, 90.0, 30.0, 5.0]
RIGHT = np.array(COUNTS) / sum(COUNTS)  # as the loss weighs them
SHAPES: dict[str, tuple[int, ...]] = {"w": (30, 20), "b": (40,), "scale": ()}


def random_parts(
    K: int = 4, seed: int = 0, dtype: npt.DTypeLike = np.float64, common: float = 0.0
) -> list[Gradient]:
    """Return K gradients; with `common`, they share that much of one direction."""
    rng = np.random.default_rng(seed)
    shared = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    return [
        {
            name: np.asarray(common * shared[name] + rng.standard_normal(shape), dtype)
            for name, shape in SHAPES.items()
        }
        for _ in range(K)
    ]


def weighted(weights: Sequence[float] | npt.NDArray[np.float64], parts: list[Gradient]) -> Gradient:
    """Add the parts up one after the other, in their own dtype, as a training loop does."""
    total = {name: np.zeros_like(value) for name, value in parts[0].items()}
    for weight, part in zip(weights, parts, strict=True):
        for name, value in part.items():
            total[name] = total[name] + value.dtype.type(weight) * value
    return total


PARTS = random_parts()
ALIKE = np.ones(len(PARTS)) / len(PARTS)


def report_of(
    weights: npt.ArrayLike, counts: Any = COUNTS, parts: list[Gradient] = PARTS, **options: Any
) -> Report:
    """Audit a sum of as many of the parts as there are weights."""
    parts = parts[: np.size(weights)]
    return audit_accumulation(weighted(np.asarray(weights), parts), parts, counts=counts, **options)


def verdicts_through(wrap: Callable[[Gradient], Any]) -> list[Verdict]:
    """Audit a right and a wrong A, each passed as `wrap` makes it."""
    parts = random_parts(dtype=np.float32)
    return [
        audit_accumulation(
            wrap(weighted(weights, parts)), [wrap(part) for part in parts], counts=COUNTS
        ).verdict
        for weights in (RIGHT, ALIKE)
    ]


def plus(one: Gradient, other: Gradient, times: float = 1.0) -> Gradient:
    return {name: value + times * other[name] for name, value in one.items()}


def times(gradient: Gradient, factor: float) -> Gradient:
    return {name: factor * value for name, value in gradient.items()}
