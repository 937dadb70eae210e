"""The straight line ŷ = m x + b: its gradient, the averaged one, the five sums, and descent."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

import numpy as np
from jaxtyping import Float

from gradexplain.arrays import Array, check_array, check_same_dtype
from gradexplain.means import covariance


@dataclass(frozen=True)
class Line:
    """The line ŷ = m x + b; its loss J is the mean squared residual (y − ŷ)² of a batch.

    The methods take a batch x, y of shape (N,), both float32 or both float64; gradients are pairs
    (∂J/∂m, ∂J/∂b).

    Raises:
        TypeError: x or y is not a NumPy array of float32 or float64, or their dtypes differ.
        ValueError: m or b is not finite, or x or y is not of shape (N,), empty or not finite.

    >>> import numpy as np
    >>> from gradexplain import Line
    >>> x, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 2.0, 3.0])
    >>> flat = Line(0.0, 0.0)
    >>> flat.gradient(x, y)
    (-6.5, -2.0)
    >>> flat.averaged_gradient(x, y)
    (-3.0, -2.0)
    """

    m: float
    b: float

    def __post_init__(self) -> None:
        """Keep m and b as Python floats: a NumPy scalar would widen float32 data."""
        for name in ("m", "b"):
            value = float(getattr(self, name))
            if not isfinite(value):
                raise ValueError(f"{name} must be finite, not {value}")
            object.__setattr__(self, name, value)

    def predict(self, x: Float[Array, " N"]) -> Float[Array, " N"]:
        """Return ŷ = m x + b for each example."""
        check_array("x", x, ("N",))
        return self.m * x + self.b

    def residuals(self, x: Float[Array, " N"], y: Float[Array, " N"]) -> Float[Array, " N"]:
        """Return y − ŷ for each example."""
        _check_batch(x, y)
        return y - self.predict(x)

    def loss(self, x: Float[Array, " N"], y: Float[Array, " N"]) -> float:
        """Return J, the mean of the squared residuals."""
        return float(np.mean(self.residuals(x, y) ** 2))

    def gradient(self, x: Float[Array, " N"], y: Float[Array, " N"]) -> tuple[float, float]:
        """Return the gradient of J, the mean of the examples' gradients: −2 E[x r] and −2 E[r]."""
        r = self.residuals(x, y)
        return float(-2 * np.mean(x * r)), float(-2 * np.mean(r))

    def averaged_gradient(
        self, x: Float[Array, " N"], y: Float[Array, " N"]
    ) -> tuple[float, float]:
        """Return what averaging first gives, wrong for m on purpose: −2 E[x] E[r] and −2 E[r]."""
        r = self.residuals(x, y)
        return float(-2 * np.mean(x) * np.mean(r)), float(-2 * np.mean(r))

    def averaging_gap(self, x: Float[Array, " N"], y: Float[Array, " N"]) -> float:
        """Return the part of ∂J/∂m that averaging first loses: −2 Cov(x, r)."""
        return -2 * covariance(x, self.residuals(x, y))


def least_squares(x: Float[Array, " N"], y: Float[Array, " N"]) -> Line:
    """Return the line of least mean squared residual: m = Cov(x, y) / Var(x) through the centroid.

    Raises:
        TypeError: x or y is not a NumPy array of float32 or float64, or their dtypes differ.
        ValueError: x or y is not of shape (N,), empty or not finite, or every x is the same.

    >>> import numpy as np
    >>> from gradexplain.line import least_squares
    >>> least_squares(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]))
    Line(m=2.0, b=1.0)
    """
    _check_batch(x, y)
    if np.all(x == x[0]):
        raise ValueError(f"x must hold at least two different values, not only {x[0]}")
    m = covariance(x, y) / covariance(x, x)
    return Line(m, float(np.mean(y) - m * np.mean(x)))


def descend(
    start: Line,
    x: Float[Array, " N"],
    y: Float[Array, " N"],
    rate: float,
    steps: int,
    gradient: Callable[[Line, Array, Array], tuple[float, float]] = Line.gradient,
) -> list[Line]:
    """Follow a gradient downhill from `start`; return every line on the way, `start` included.

    Args:
        start: the first line.
        x: the inputs, (N,).
        y: the targets, (N,).
        rate: the learning rate, above 0.
        steps: how many steps, 0 or more.
        gradient: `Line.gradient`, or `Line.averaged_gradient` to see where that one leads.

    Raises:
        TypeError: x or y is not a NumPy array of float32 or float64, or their dtypes differ.
        ValueError: x or y is not of shape (N,), empty or not finite; `rate` is not a finite number
            above 0, or `steps` is below 0; or the descent diverges to infinity.

    >>> import numpy as np
    >>> from gradexplain import Line
    >>> from gradexplain.line import descend
    >>> x, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 2.0, 3.0])
    >>> end = descend(Line(0.0, 0.0), x, y, rate=0.1, steps=300)[-1]
    >>> print(f"{end.m:.3f} {end.b:.3f}")
    1.400 -1.100
    """
    if not (isfinite(rate) and rate > 0):
        raise ValueError(f"rate must be a finite number above 0, not {rate}")
    if steps < 0:
        raise ValueError(f"steps must be 0 or more, not {steps}")
    _check_batch(x, y)
    path = [start]
    for step in range(1, steps + 1):
        with np.errstate(over="ignore", invalid="ignore"):  # refused below, with its cause
            dm, db = gradient(path[-1], x, y)
        m, b = path[-1].m - rate * dm, path[-1].b - rate * db
        if not (isfinite(m) and isfinite(b)):
            raise ValueError(
                f"rate must let the descent stay finite, but {rate} fails at step {step}"
            )
        path.append(Line(m, b))
    return path


@dataclass(frozen=True)
class FiveSums:
    """All that the line's gradient ever needs of a batch, however large: n, Σx, Σy, Σx², Σxy.

    >>> import numpy as np
    >>> from gradexplain import Line
    >>> from gradexplain.line import five_sums
    >>> sums = five_sums(np.array([0.0, 1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 2.0, 3.0]))
    >>> sums
    FiveSums(n=4, x=6.0, y=4.0, xx=14.0, xy=13.0)
    >>> sums.gradient(Line(0.0, 0.0))
    (-6.5, -2.0)
    """

    n: int
    x: float
    y: float
    xx: float
    xy: float

    def gradient(self, line: Line) -> tuple[float, float]:
        """Return (∂J/∂m, ∂J/∂b) at `line`, in a number of operations that does not depend on n."""
        dm = -2 * (self.xy - line.m * self.xx - line.b * self.x) / self.n
        db = -2 * (self.y - line.m * self.x - line.b * self.n) / self.n
        return dm, db


def five_sums(x: Float[Array, " N"], y: Float[Array, " N"]) -> FiveSums:
    """Sum a batch once, so that every later gradient is O(1) in its size.

    Raises:
        TypeError: x or y is not a NumPy array of float32 or float64, or their dtypes differ.
        ValueError: x or y is not of shape (N,), empty or not finite.
    """
    _check_batch(x, y)
    return FiveSums(
        n=len(x),
        x=float(np.sum(x)),
        y=float(np.sum(y)),
        xx=float(np.sum(x * x)),
        xy=float(np.sum(x * y)),
    )


def _check_batch(x: Array, y: Array) -> None:
    check_array("x", x, ("N",))
    check_array("y", y, x.shape)
    check_same_dtype("y", y, "x", x)
