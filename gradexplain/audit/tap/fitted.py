"""A factor for each backward pass, by least squares, and the parameters that have others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gradexplain.audit.tap.sketches import FLOOR, Array, Sketches, positive

_ROUNDS = 5  # of leaving out the parameters that fit worst


@dataclass(frozen=True, eq=False)
class Stray:
    """Parameters whose gradients reached the optimizer with other factors."""

    names: tuple[str, ...]
    factors: Array | None  # (P,); None if no factors explain them
    remainder: float


@dataclass(frozen=True, eq=False)
class Route:
    """The factors c, and what they leave."""

    factors: Array  # (P,)
    uncertainty: Array  # (P,); infinite where passes look alike
    held: float  # the factor of what the gradients held before
    remainder: float  # the largest share of a parameter's gradient that the factors leave
    tolerance: float  # how much of it rounding explains
    strays: tuple[Stray, ...] = ()
    hidden: float = 0.0  # by which share one pass's factor could be off, and rounding would hide it


def fitted(sketches: Sketches, near: Sequence[float]) -> Route:
    """Fit a factor to each pass, by the parameters that agree; tell where the others differ."""
    tolerance, kept = sketches.tolerance, np.ones(len(sketches.names), dtype=bool)
    for _ in range(_ROUNDS):
        c, held, uncertainty = solved(sketches.only(kept), near)
        left = sketches.left(c, held)
        fit = left <= max(tolerance, float(np.median(left)))
        if np.array_equal(fit, kept):
            break
        kept = fit
    off = left > tolerance
    if off.mean() > 1 / 2:
        return Route(c, uncertainty, held, float(left.max()), tolerance)
    inside = float(left[~off].max(initial=0.0))
    strays = _strays(sketches, off, near)
    return Route(c, uncertainty, held, inside, tolerance, strays)


def _strays(
    sketches: Sketches, off: npt.NDArray[np.bool_], near: Sequence[float]
) -> tuple[Stray, ...]:
    """Solve each parameter separately, and put together those that read the same."""
    found: list[Stray] = []
    for t in np.flatnonzero(off):
        alone = sketches.only(np.arange(len(off)) == t)
        factors, held, unsure = solved(alone, near)
        remainder = float(alone.left(factors, held)[0])
        common = alone.common(np.ones(len(factors), dtype=bool))
        if remainder <= sketches.tolerance and np.all(np.abs(factors - common) <= unsure):
            factors = np.full(len(factors), common)
        same = [
            k
            for k, one in enumerate(found)
            if one.factors is not None and _same(one.factors, factors)
        ]
        if remainder > sketches.tolerance or held:
            found.append(Stray(alone.names, None, remainder))
        elif same:
            one = found[same[0]]
            found[same[0]] = replace(one, names=one.names + alone.names)
        else:
            found.append(Stray(alone.names, factors, remainder))
    return tuple(found)


def _same(one: Array, other: Array) -> bool:
    return bool(np.allclose(one, other, rtol=1e-3, atol=1e-6 * float(np.abs(one).max())))


def solved(sketches: Sketches, near: Sequence[float]) -> tuple[Array, float, Array]:
    """Return the factors of least squares, that of what was held, and how sure the factors are.

    Each parameter counts alike. Factors that the sketches can't tell apart stay near each other.
    """
    passes, m = len(sketches.added), sketches.handed.shape[-1]
    added, before, _ = sketches.sizes
    scale = 1 / positive(added.sum(0) + before)
    columns = np.concatenate([sketches.added, sketches.held[None]]) * scale[:, None]
    columns = columns.reshape(passes + 1, -1).T
    target = (sketches.handed * scale[:, None]).ravel()
    start = np.append(np.full(passes, sketches.common(np.ones(passes, dtype=bool))), 0.0)
    length = positive(np.sqrt((columns**2).sum(0)))
    u, s, v = np.linalg.svd(columns / length, full_matrices=False)
    told = s > max(s.max(initial=0.0), 1.0) * max(sketches.unit, FLOOR)
    steps = v[told].T @ ((u[:, told].T @ (target - columns @ start)) / s[told]) / length
    unknown = 1 - (v[told] ** 2).sum(0) > 1e-6
    found = start + steps
    size = float(np.abs(found).max(initial=0.0))
    left = target - columns @ found
    noise = max(np.sqrt(float(left @ left) / len(left)), sketches.unit * size / m**0.5)
    spread = np.sqrt(((v[told].T / s[told]) ** 2).sum(1)) / length * noise
    uncertainty = np.where(unknown, np.inf, 4 * spread)
    for value in near:
        close = np.abs(found - value) <= np.maximum(uncertainty, 1e-6 * size)
        found = np.where(close & np.isfinite(uncertainty), value, found)
    held = float(found[-1]) if sketches.held.any() else 0.0
    return found[:-1], held, uncertainty[:-1]
