"""What a case hands over: the framework's gradient, and the micro-batches' own gradients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Gradient = Mapping[str, Any]  # by parameter name, in the framework's own arrays


@dataclass(frozen=True)
class Capture:
    """One accumulation step.

    `accumulated` is what the framework handed to its optimizer, caught in the optimizer.
    `parts` are recomputed afterwards at the same weights: for each micro-batch, the gradient of
    its own mean loss; `counts` says how many targets that mean was taken over.
    """

    accumulated: Gradient
    parts: Sequence[Gradient]
    counts: Sequence[float]
    full: Gradient | None = None
    groups: Sequence[int] | None = None
