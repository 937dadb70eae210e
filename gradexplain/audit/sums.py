"""Sums of weights that can be read where the weights themselves cannot."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gradexplain.audit.case import digits, places
from gradexplain.audit.gram import Vector
from gradexplain.audit.weights import Reading

_PARALLEL = 0.99


def determined_sums(A: Reading, right: Vector, lost: npt.NDArray[np.intp]) -> Iterator[str]:
    """Yield, for parts that look alike, what they weigh together against what they should."""
    cosines = A.gram / np.outer(A.norms, A.norms).clip(min=1e-300)
    left = [int(k) for k in lost if A.visible[k]]
    while left:
        group = _connected(left, np.abs(cosines) > _PARALLEL)
        left = [k for k in left if k not in group]
        if len(group) > 1:
            signs = np.zeros(len(right))
            signs[group] = np.sign(cosines[group[0], group])
            yield from _ratio(A, right, signs, places(group))


def _connected(left: list[int], alike: npt.NDArray[np.bool_]) -> list[int]:
    group = [left[0]]
    for k in group:
        group += [j for j in left if alike[k, j] and j not in group]
    return sorted(group)


def _ratio(A: Reading, right: Vector, signs: Vector, name: str) -> Iterator[str]:
    """Yield what a sum of weights is, in units of what it should be, if it can be told."""
    functional = signs * A.norms
    should = float(functional @ right)
    blur = A.noise * float(A.spread(functional[np.newaxis])[0])
    if np.linalg.norm(A.lost @ signs) <= 1e-4 * np.linalg.norm(signs) and blur < abs(should) / 4:
        ratio = float(functional @ A.weights) / should
        yield f"together, {name} weigh {digits(ratio)} times what they should"
