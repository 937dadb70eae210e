"""Weights as a reader read them, and how far each of them, and all together, may be off."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Weights:
    """K weights and their uncertainty.

    A weight w that should be c may be read up to `relative` |c| + `absolute` from it. Weights may
    be known better together than one by one: (w − c)ᵀ `metric` (w − c) is the square of how far a
    whole weighting is off, where 1 is as far as rounding moves it.
    """

    values: Vector
    absolute: Vector  # infinite where nothing could be read
    relative: float
    metric: Matrix
    noise: float = 0.0  # how far rounding moves all of them along one direction, in that metric
    level: float = 1.0  # their size over that of the weights expected

    def uncertainty(self, weights: Vector) -> Vector:
        """Return how far each weight may be read from the one given; infinity where unread."""
        return self.relative * np.abs(weights) + self.absolute

    def size(self, weights: Vector) -> float:
        """Return how large a sum of parts is, in the metric."""
        return max(float(weights @ self.metric @ weights), 0.0) ** 0.5

    def fits(self, weights: Vector, *, sharply: bool = True) -> bool:
        """Tell whether these can be the weights; sharply, whether each can be by itself."""
        off = self.values - weights
        if self.size(off) > 1:
            return False
        return not sharply or bool(np.all(np.abs(off) <= self.uncertainty(weights)))

    def cancels(self, weights: Vector) -> bool:
        """Tell whether nothing but rounding is left of Σ wₖ gₖ."""
        return self.size(weights) <= self.relative * float(
            np.abs(weights) @ np.sqrt(np.diag(self.metric))
        )

    def factor(self, weights: Vector) -> tuple[float, float]:
        """Return s for which s times these come closest, and how far it may be off."""
        if self.cancels(weights):
            return 0.0, np.inf
        size = self.size(weights)
        s = float(self.values @ self.metric @ weights) / size**2
        return s, self.relative * abs(s) + self.noise / size

    def unread(self, expected: Vector) -> npt.NDArray[np.bool_]:
        """Return which weights are uncertain by a quarter of what they should be, or more."""
        should = np.where(expected > 0, expected, 1 / max(len(expected), 1))
        return self.absolute >= self.level * should / 4

    def deviation(self, expected: Vector) -> float:
        """Return how many times its uncertainty the weight furthest from expected is off."""
        uncertainty = self.uncertainty(expected)
        off = np.abs(self.values - expected)
        return float(np.max(off / np.where(uncertainty > 0, uncertainty, np.inf)))

    def only(self, rows: npt.NDArray[np.intp]) -> "Weights":
        """Return some of the weights, whatever the others are."""
        if len(rows) == len(self.values):
            return self
        rest = np.setdiff1d(np.arange(len(self.values)), rows)
        across = self.metric[np.ix_(rows, rest)]
        metric = (
            self.metric[np.ix_(rows, rows)]
            - across @ np.linalg.pinv(self.metric[np.ix_(rest, rest)], hermitian=True) @ across.T
        )
        return Weights(
            self.values[rows], self.absolute[rows], self.relative, metric, self.noise, self.level
        )


def directly_read(values: Vector, unit: float, unread: npt.NDArray[np.bool_]) -> Weights:
    """Return weights that were read where the loss hands them out, to the rounding of its type.

    Args:
        values: the weights, (K,).
        unit: the unit of the loss's type: 2⁻²⁴ in float32.
        unread: which of them could not be read.
    """
    relative = max(6 * unit, 1e-7)
    typical = float(np.abs(values[~unread]).mean()) if not unread.all() else 1.0
    absolute = np.where(unread, np.inf, 1e-12 * typical)
    scale = relative * typical * len(values) ** 0.5 or 1.0
    metric = np.diag(np.where(unread, 0.0, scale**-2.0))
    return Weights(values, absolute, relative, metric)
