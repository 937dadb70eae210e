"""From inner products to weights: what A = Σ wₖ gₖ determines, and how well it is met.

S = Σ |bₖ| ‖gₖ‖ is the size of the terms that are added up, and u the unit of the coarsest dtype.
Rounding each term moves A by about u S: along the parts, and out of their span.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gradexplain.audit.gram import Matrix, Vector
from gradexplain.audit.tensors import UNITS

FLOOR = 1e-7  # float64 inner products tell directions apart down to the root of their rounding
DEEP = 1e-5  # as far as the allowance for deep networks goes
_NOISE = 1e-13  # eigenvalues of the normalised Gram matrix below this are rounding
_TINY = {"float16": 2.0**-25}  # half the smallest number above zero, where that matters


@dataclass(frozen=True, eq=False)
class Reading:
    """The weights that one gradient gives to each part, and what they leave over.

    `gram` holds the parts' inner products, `along` theirs with A − B, and `square` is ‖A − B‖².
    """

    gram: Matrix
    along: Vector
    square: float
    base: Vector
    dtype: str
    size: int  # numbers in the gradient
    peak: float  # the largest |A|
    keen: bool = False  # whether parts are used that are shorter than the rounding of the others

    @property
    def unit(self) -> float:
        """The unit u of the coarsest dtype."""
        return UNITS[self.dtype]

    def _norms(self) -> Vector:
        """‖gₖ‖ of each part."""
        return np.sqrt(np.diag(self.gram))

    def _terms(self) -> float:
        """S: the size of the terms in B."""
        return float(np.abs(self.base) @ self.norms)

    def _level(self) -> float:
        """The size of the terms in A over S, by weights that rounding cannot blow up."""
        robust = self.base + self._solve(self.along, max((32 * self.unit) ** 2, 10 * _NOISE))
        return float(np.abs(robust) @ self.norms) / self.terms if self.terms else 1.0

    def _length(self) -> float:
        """‖A‖."""
        square = self.square + 2 * float(self.base @ self.along) + self.inside(self.base) ** 2
        return max(square, 0.0) ** 0.5

    def _scale(self) -> float:
        """The size of the terms in A: what its rounding goes with."""
        return max(self.level * self.terms, self.length)

    def _floor(self) -> float:
        """What can't be told from nothing, however fine the dtype; half precision has its own."""
        tiny = _TINY.get(self.dtype, 0.0) * float(np.sqrt(self.size * len(self.base)))
        return FLOOR * max(self.scale, self.terms) + tiny

    def _outer(self) -> float:
        """How much of A may lie outside the span of the parts: 4u√K of its scale, or the floor.

        In single precision 16u√K: parts that are computed again, each loss with another factor,
        round otherwise in every layer, and a deep network adds that up. Directions too short to
        be told from rounding are outside the span as it is computed.
        """
        rounding = self.unit * len(self.base) ** 0.5
        short = 2 * _NOISE**0.5 if self.rank < np.count_nonzero(self.visible) else 0.0
        return max(max(4 * rounding, min(16 * rounding, DEEP), short) * self.scale, self.floor)

    def _inner(self) -> float:
        """How far inside the span A may be from what it is compared with: 6u, or the floor."""
        return max(6 * self.unit * self.scale, self.floor)

    def _relative(self) -> float:
        """How far a weight may be off, as a fraction of itself."""
        return max(6 * self.unit, FLOOR)

    def _visible(self) -> npt.NDArray[np.bool_]:
        """The parts that are not lost in the rounding of the others."""
        threshold = max(4 * self.unit * len(self.base) ** 0.5, FLOOR) * self.terms
        return self.norms > (0 if self.keen else threshold)

    def _decomposed(self) -> tuple[Vector, Matrix, Vector]:
        """Eigenvalues and vectors of the visible parts' Gram matrix, normalised; and the norms."""
        norms = np.where(self.visible, self.norms, 1.0)
        shown = np.outer(self.visible, self.visible)
        values, vectors = np.linalg.eigh(np.where(shown, self.gram, 0) / np.outer(norms, norms))
        return values, vectors, norms

    def _solve(self, along: Vector, threshold: float) -> Vector:
        """Return the weights with these inner products, one direction after the other.

        The inverse matrix would do it too, but its large entries would spread their rounding.
        """
        values, vectors, norms = self._eigen
        kept = values > threshold
        return vectors[:, kept] @ (vectors[:, kept].T @ (along / norms) / values[kept]) / norms

    def spread(self, functionals: Matrix) -> Vector:
        """Return how much sums of weights, one a row, move at most when A moves by one."""
        values, vectors, norms = self._eigen
        kept = values > _NOISE
        moved: Vector = (functionals / norms) @ vectors[:, kept] / np.sqrt(values[kept])
        return np.linalg.norm(moved, axis=1)

    def _rank(self) -> int:
        """How many directions the parts span."""
        return int(np.count_nonzero(self._eigen[0] > _NOISE))

    def _lost(self) -> Matrix:
        """The projection, in units of the parts' norms, on the weights that leave no trace."""
        values, vectors, _ = self._eigen
        gone = vectors[:, values <= _NOISE]
        return gone @ gone.T

    def _weights(self) -> Vector:
        """The weights in A = Σ wₖ gₖ; of those that do, or come closest, the nearest to B's."""
        return self.base + self._solve(self.along, _NOISE)

    def _outside(self) -> float:
        """The length of what no weights can give."""
        moved = self.weights - self.base
        left = self.square - 2 * float(moved @ self.along) + self.inside(moved) ** 2
        return max(left, 0.0) ** 0.5

    def inside(self, weights: Vector) -> float:
        """Return ‖Σ wₖ gₖ‖."""
        return max(float(weights @ self.gram @ weights), 0.0) ** 0.5

    def _noise(self) -> float:
        """How far rounding moves A along one direction of the span.

        Its errors are of all signs, so along one direction they add up to no more than the
        largest of them: u√K of the scale, or what is seen outside the span, times max |A| / ‖A‖.
        """
        spike = min(self.peak / self.length, 1.0) if self.length > 0 else 1.0
        rounding = max(self.unit * len(self.base) ** 0.5 * self.scale, self.outside)
        return min(4 * rounding * spike + self.floor / 10, self.inner)

    def blur(self, weights: Vector) -> Vector:
        """Return how far each weight may be read from the one given; infinity where nothing is."""
        blur = self.relative * np.abs(weights) + self.noise * self.spread(np.eye(len(self.base)))
        return np.where(~self.visible | (np.diag(self.lost) > 1e-4), np.inf, blur)

    def distance(self, weights: Vector) -> float:
        """Return ‖A − Σ wₖ gₖ‖."""
        return float(np.hypot(self.outside, self.inside(self.weights - weights)))

    def unread(self, right: Vector) -> npt.NDArray[np.bool_]:
        """Return the weights that are blurred by a quarter of what they should be, or more."""
        should = np.where(right > 0, right, 1 / len(right))
        return self.blur(0 * right) >= self.level * should / 4

    def fits(self, weights: Vector, *, sharply: bool = True) -> bool:
        """Tell whether A = Σ wₖ gₖ for these weights, and, sharply, each weight by itself."""
        off = self.weights - weights
        if self.outside > self.outer or self.inside(off) > self.inner:
            return False
        return not sharply or bool(np.all(np.abs(off) <= self.blur(weights)))

    def cancels(self, weights: Vector) -> bool:
        """Tell whether nothing but rounding is left of Σ wₖ gₖ."""
        return self.inside(weights) <= self.relative * float(np.abs(weights) @ self.norms)

    def factor(self, weights: Vector) -> tuple[float, float]:
        """Return s that brings s Σ wₖ gₖ closest to A, and how far it may be off."""
        if self.cancels(weights):
            return 0.0, np.inf
        s = float(self.weights @ self.gram @ weights) / self.inside(weights) ** 2
        return s, self.relative * abs(s) + self.noise / self.inside(weights)

    # Each is worked out once. As decorators, these would keep mutmut from altering the arithmetic.
    norms = cached_property(_norms)
    terms = cached_property(_terms)
    level = cached_property(_level)
    length = cached_property(_length)
    scale = cached_property(_scale)
    floor = cached_property(_floor)
    outer = cached_property(_outer)
    inner = cached_property(_inner)
    relative = cached_property(_relative)
    visible = cached_property(_visible)
    _eigen = cached_property(_decomposed)
    rank = cached_property(_rank)
    lost = cached_property(_lost)
    weights = cached_property(_weights)
    outside = cached_property(_outside)
    noise = cached_property(_noise)
