"""Training loops with a planted mistake, and how often the audit names it.

The networks are deep, in float32 or in half precision, of 2 to 64 micro-batches. Each backward pass
starts from its own factor, as in `(loss * w).backward()`, so that parts and terms round differently
in every layer. `python tests/planted.py`, or `make power`, writes docs/reference/power.json.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from gradexplain import Verdict, audit_accumulation

RECORD = Path(__file__).parents[1] / "docs" / "reference" / "power.json"
Array = npt.NDArray[Any]
Gradient = dict[str, Array]

#: For each mistake, the verdict that names it.
MISTAKES = {
    "none": Verdict.EXACT,
    "every part alike": Verdict.MEAN_OF_MEANS,
    "every part alike, never divided": Verdict.MEAN_OF_MEANS,
    "never divided": Verdict.RESCALED,
    "halved": Verdict.RESCALED,
    "one part dropped": Verdict.DROPPED,
    "one part halved": Verdict.REWEIGHTED,
}

#: What a loop computes in, and what its gradients are saved in.
ARITHMETICS = {
    "float32": np.float32,
    "float32 saved as float64": np.float64,
    "float16": np.float16,
    "bfloat16 saved as float32": np.float32,
}


@dataclass(frozen=True)
class Loop:
    """One accumulation step: what it handed to the optimizer, and what its parts are."""

    mistake: str
    accumulated: Gradient
    parts: list[Gradient]
    counts: list[int]


def main() -> None:
    """Try each arithmetic on 280 loops, and record what the audit says."""
    tables = {name: _table(name, 280) for name in ARITHMETICS}
    made = {"date": datetime.now(UTC).date().isoformat(), "command": "make power", "loops": 280}
    RECORD.write_text(json.dumps({"made": made, **tables}, indent=1) + "\n", encoding="utf-8")


def _table(arithmetic: str, number: int) -> dict[str, dict[str, int]]:
    """Return for each mistake how many verdicts were right, undecided and wrong."""
    found: Counter[tuple[str, str]] = Counter()
    for loop in loops(arithmetic, number):
        found[loop.mistake, outcome(loop)] += 1
    outcomes = ("right", "undecided", "wrong")
    return {mistake: {each: found[mistake, each] for each in outcomes} for mistake in MISTAKES}


def outcome(loop: "Loop") -> str:
    """Audit a loop; return whether the verdict is right, undecided or wrong."""
    report = audit_accumulation(loop.accumulated, loop.parts, counts=loop.counts)
    if report.verdict is MISTAKES[loop.mistake]:
        return "right"
    return "undecided" if report.ok is None else "wrong"


def loops(arithmetic: str, number: int, seed: int = 0) -> Iterator["Loop"]:
    """Yield loops of 2 to 64 micro-batches, each mistake in turn."""
    names, computed = list(MISTAKES), arithmetic.partition(" ")[0]
    for index in range(number):
        rng = np.random.default_rng([seed, index, len(computed)])
        K = int(np.round(2 ** rng.uniform(1, 6)))
        yield _loop(rng, names[index % len(names)], arithmetic, K)


def _loop(rng: np.random.Generator, mistake: str, arithmetic: str, K: int) -> Loop:
    depth, width = int(rng.integers(2, 13)), int(rng.integers(8, 33))
    sizes = [6, *[width] * depth, 5]
    net = [rng.standard_normal((m, n)) / np.sqrt(n) for n, m in pairwise(sizes)]
    counts = rng.integers(1, 21, size=K)
    counts[0], counts[1] = 20, 1 + counts[1] // 3  # never all alike
    batches = [(rng.standard_normal((n, 6)), np.eye(5)[rng.integers(0, 5, size=n)]) for n in counts]
    rounded, saved = _rounder(arithmetic.partition(" ")[0]), ARITHMETICS[arithmetic]
    weights = _weights(rng, mistake, counts / counts.sum())
    parts = [_gradient(net, x, y, 1.0, rounded) for x, y in batches]
    total = {name: np.zeros_like(value) for name, value in parts[0].items()}
    for (x, y), weight in zip(batches, weights, strict=True):
        if weight != 0:
            term = _gradient(net, x, y, float(weight), rounded)
            total = {name: rounded(total[name] + term[name]) for name in total}
    as_saved = [{name: g.astype(saved) for name, g in each.items()} for each in (total, *parts)]
    return Loop(mistake, as_saved[0], as_saved[1:], counts.tolist())


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


if __name__ == "__main__":
    main()
