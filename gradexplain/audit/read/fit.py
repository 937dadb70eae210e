"""From inner products to weights: what A = Σ wₖ gₖ determines, how well, and what it leaves over.

S = Σ |bₖ| ‖gₖ‖ is the size of the terms that are added up, and u the unit of their arithmetic.
Rounding each term moves A by about u S: along the parts, and out of their span.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradexplain.audit.judge.weights import Weights

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

FLOOR = 1e-7  # float64 inner products tell directions apart down to the root of their rounding
DEEP = 1e-5  # as far as the allowance for deep networks goes
NOISE = 1e-13  # eigenvalues of the normalized Gram matrix below this are rounding
TINY = 2.0**-25  # half the smallest float16 above zero


@dataclass(frozen=True)
class Rounding:
    """How coarse the arithmetic is: relative to the terms, and in absolute length."""

    unit: float  # u
    tiny: float = 0.0  # what underflow hides, as a length
    parameters: float = 0.0  # what the rounding of parameters adds, where A is their difference


@dataclass(frozen=True, eq=False)
class Span:
    """The directions that the parts span, as far as rounding lets them be seen."""

    gram: Matrix  # inner products of the parts, (K, K)
    base: Vector  # weights of B, from which all others are measured
    rounding: Rounding
    norms: Vector  # ‖gₖ‖
    terms: float  # S
    visible: npt.NDArray[np.bool_]  # the parts that are not lost in the rounding of the others
    divisors: Vector  # the norms by which the Gram matrix is normalized
    values: Vector  # eigenvalues of the visible parts' normalized Gram matrix
    vectors: Matrix
    rank: int  # how many directions the parts span
    traceless: Vector  # for each part, the share of it that leaves no trace

    def solve(self, along: Vector, threshold: float = NOISE) -> Vector:
        """Return the weights with these inner products, one direction after the other.

        The inverse matrix would do it too, but its large entries would spread their rounding.
        """
        kept = self.values > threshold
        directions = self.vectors[:, kept]
        along = directions.T @ (along / self.divisors)
        return directions @ (along / self.values[kept]) / self.divisors

    def spread(self) -> Vector:
        """Return how much each weight moves at most when A moves by one."""
        kept = self.values > NOISE
        moved = self.vectors[:, kept] / np.sqrt(self.values[kept])
        spread: Vector = np.linalg.norm(moved, axis=1) / self.divisors
        return spread

    def length(self, weights: Vector) -> float:
        """Return ‖Σ wₖ gₖ‖."""
        return max(float(weights @ self.gram @ weights), 0.0) ** 0.5


def span(gram: Matrix, base: Vector, rounding: Rounding, *, keep_short: bool = False) -> Span:
    """Return what the parts span; with `keep_short`, parts that rounding could hide as well."""
    norms = np.sqrt(np.diag(gram))
    terms = float(np.abs(base) @ norms)
    hidden = 0.0 if keep_short else max(4 * rounding.unit * len(base) ** 0.5, FLOOR) * terms
    visible = norms > hidden
    divisors = np.where(visible, norms, 1.0)
    shown = np.outer(visible, visible)
    values, vectors = np.linalg.eigh(np.where(shown, gram, 0) / np.outer(divisors, divisors))
    return Span(
        gram=gram,
        base=base,
        rounding=rounding,
        norms=norms,
        terms=terms,
        visible=visible,
        divisors=divisors,
        values=values,
        vectors=vectors,
        rank=int(np.count_nonzero(values > NOISE)),
        traceless=np.sum(vectors[:, values <= NOISE] ** 2, axis=1),
    )


@dataclass(frozen=True, eq=False)
class Fit:
    """The weights that one gradient gives to the parts, and what they leave over."""

    span: Span
    weights: Vector  # of those that come closest to A, the nearest to B's
    peak: float  # the largest |A|
    length: float  # ‖A‖
    scale: float  # the size of the terms in A: what its rounding goes with
    level: float  # that over S
    floor: float  # what cannot be distinguished from zero, however fine the arithmetic
    outside: float  # the length of what no weights give
    outer: float  # how much of A may lie there: 4u√K of its scale, or the floor
    inner: float  # how far A may move inside the span: 6u of its scale, or the floor
    whole: float  # how far a whole weighting may be off: the unit of length of the metric
    relative: float  # how far a weight may be off, as a fraction of itself

    def allowed(self, unit: float) -> float:
        """Return how much of A may lie outside the span in an arithmetic of this unit."""
        return 4 * unit * len(self.span.base) ** 0.5 * self.scale

    def noise(self) -> float:
        """Return how far rounding moves A along one direction of the span, at most.

        Each part's rounding points its own way, so it adds up in squares: in 1,260 deep networks it
        moved A by at most 1.3 u √Σ (wₖ ‖gₖ‖)² in half precision, twice that in single precision.
        Adding up rounds each number of A, of which the largest counts. And where more lies outside
        the span than that, as much may lie inside.
        """
        space, unit = self.span, self.span.rounding.unit
        own = float(np.linalg.norm(self.weights * space.norms))
        adding = unit * len(space.base) ** 0.5 * min(self.peak, self.length) / 2
        rounding = (2.5 if unit > DEEP else 10) * unit * own + adding + space.rounding.parameters
        return min(max(rounding, 0.6 * self.outside) + self.floor / 10, self.whole)

    def read(self) -> Weights:
        """Return the weights with their uncertainty, for the judge."""
        space, whole, noise = self.span, self.whole, self.noise()
        hidden = ~space.visible | (space.traceless > 1e-4)
        return Weights(
            values=self.weights,
            absolute=np.where(hidden, np.inf, noise * space.spread()),
            relative=self.relative,
            metric=space.gram / whole**2 if whole > 0 else np.zeros_like(space.gram),
            noise=noise / whole if whole > 0 else 0.0,
            level=self.level,
        )


def fit(space: Span, along: Vector, square: float, peak: float) -> Fit:
    """Fit one gradient by the parts.

    Args:
        space: what the parts span.
        along: inner products of the parts with A − B.
        square: ‖A − B‖².
        peak: the largest |A|.
    """
    base, rounding, terms = space.base, space.rounding, space.terms
    moved = space.solve(along)
    length = max(square + 2 * float(base @ along) + space.length(base) ** 2, 0.0) ** 0.5
    robust = base + space.solve(along, max((32 * rounding.unit) ** 2, 10 * NOISE))
    level = float(np.abs(robust) @ space.norms) / terms if terms else 1.0
    scale = max(level * terms, length)
    floor = FLOOR * max(scale, terms) + rounding.tiny
    left = square - 2 * float(moved @ along) + space.length(moved) ** 2
    outside = max(left, 0.0) ** 0.5
    outer = float(np.hypot(max(_loose(space) * scale, floor), 4 * rounding.parameters))
    inner = float(np.hypot(max(6 * rounding.unit * scale, floor), rounding.parameters))
    return Fit(
        span=space,
        weights=base + moved,
        peak=peak,
        length=length,
        scale=scale,
        level=level,
        floor=floor,
        outside=outside,
        outer=outer,
        inner=inner,
        whole=max(inner, outside) if outside > outer else inner,
        relative=max(6 * rounding.unit, FLOOR),
    )


def _loose(space: Span) -> float:
    """Return which share of A's scale may lie outside the span.

    In single precision 16u√K instead of 4u√K: parts that are recomputed, each loss with another
    factor, round differently in every layer, and a deep network adds that up. Directions too short
    to be distinguished from rounding are outside the span as it is computed.
    """
    rounding = space.rounding.unit * len(space.base) ** 0.5
    share = max(4 * rounding, min(16 * rounding, DEEP))
    if space.rank < np.count_nonzero(space.visible):
        share = max(share, 2 * NOISE**0.5)
    return share
