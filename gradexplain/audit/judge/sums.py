"""Sums of weights that can be read where the weights themselves cannot."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gradexplain.audit.judge.case import Case, Note, note
from gradexplain.audit.judge.weights import Matrix, Vector

_PARALLEL = 0.99
_NOISE = 1e-13  # eigenvalues of the normalized metric below this are rounding


def determined_sums(case: Case, lost: npt.NDArray[np.intp]) -> Iterator[Note]:
    """Yield, for parts that look alike, what they weigh together against what they should."""
    if case.evidence is None:
        return
    hidden = case.evidence.hidden
    norms = np.where(hidden, 0.0, np.sqrt(np.diag(case.weights.metric)))
    cosines = case.weights.metric / np.outer(norms, norms).clip(min=1e-300)
    left = [int(k) for k in lost if not hidden[k]]
    while left:
        group = _connected(left, np.abs(cosines) > _PARALLEL)
        left = [k for k in left if k not in group]
        if len(group) > 1:
            signs = np.zeros(len(norms))
            signs[group] = np.sign(cosines[group[0], group])
            yield from _ratio(case, norms, signs, tuple(group))


def _connected(left: list[int], alike: npt.NDArray[np.bool_]) -> list[int]:
    group = [left[0]]
    for k in group:
        group += [j for j in left if alike[k, j] and j not in group]
    return sorted(group)


def _ratio(case: Case, norms: Vector, signs: Vector, group: tuple[int, ...]) -> Iterator[Note]:
    """Yield what a sum of weights is, in units of what it should be, if it can be determined."""
    read = case.weights
    functional = signs * norms
    should = float(functional @ case.expected)
    values, vectors = np.linalg.eigh(_normalized(read.metric, norms))
    along, kept = vectors.T @ signs, values > _NOISE
    uncertainty = read.noise * float(np.linalg.norm(along[kept] / np.sqrt(values[kept])))
    traceless = float(np.linalg.norm(along[~kept]))
    if traceless <= 1e-4 * np.linalg.norm(signs) and uncertainty < abs(should) / 4:
        yield note("sum", parts=group, ratio=float(functional @ read.values) / should)


def _normalized(metric: Matrix, norms: Vector) -> Matrix:
    """Return the metric with ones on its diagonal, and zeros where a norm is zero."""
    divisors = np.where(norms > 0, norms, 1.0)
    return np.where(np.outer(norms, norms) > 0, metric, 0) / np.outer(divisors, divisors)
